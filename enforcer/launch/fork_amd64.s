#include "textflag.h"

#define SYS_clone3 435

// func cloneChild(args *cloneArgs, size uintptr, p *bound) int
TEXT ·cloneChild(SB),NOSPLIT|NOFRAME,$0-32
	MOVQ	args+0(FP), DI
	MOVQ	size+8(FP), SI
	MOVQ	p+16(FP), R12
	MOVL	$SYS_clone3, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, ret+24(FP)
	RET

child:
	// As if runChild(p) had been called on the new stack.
	SUBQ	$16, SP
	MOVQ	R12, 8(SP)
	JMP	·runChild(SB)
