#include "textflag.h"

#define SYS_clone3 435

// func cloneChild(args *cloneArgs, size uintptr, p *bound) int
TEXT ·cloneChild(SB),NOSPLIT|NOFRAME,$0-32
	MOVD	args+0(FP), R0
	MOVD	size+8(FP), R1
	MOVD	p+16(FP), R19
	MOVD	$SYS_clone3, R8
	SVC
	CBZ	R0, child
	MOVD	R0, ret+24(FP)
	RET

child:
	// As if runChild(p) had been called on the new stack.
	SUB	$16, RSP
	MOVD	R19, 8(RSP)
	B	·runChild(SB)
