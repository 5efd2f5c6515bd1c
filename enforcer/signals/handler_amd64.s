#include "textflag.h"

#define SYS_write 1
#define SYS_rt_sigreturn 15

// The kernel passes the signal's number in DI, as a C caller would, and puts
// all registers back when the handler has returned.
TEXT handler<>(SB),NOSPLIT|NOFRAME,$0
	SUBQ	$8, SP
	MOVB	DI, (SP)
	MOVL	·caught(SB), DI
	MOVQ	SP, SI
	MOVL	$1, DX
	MOVL	$SYS_write, AX
	SYSCALL
	ADDQ	$8, SP
	RET

TEXT return<>(SB),NOSPLIT|NOFRAME,$0
	MOVL	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB),NOSPLIT,$0-8
	MOVQ	$handler<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func restorerAddress() uintptr
TEXT ·restorerAddress(SB),NOSPLIT,$0-8
	MOVQ	$return<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
