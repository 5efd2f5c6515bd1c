#include "textflag.h"

#define SYS_write 64

// The kernel passes the signal's number in R0, as a C caller would. The
// handler returns into the vDSO, which puts all registers back.
TEXT handler<>(SB),NOSPLIT|NOFRAME,$0
	SUB	$16, RSP
	MOVB	R0, 8(RSP)
	MOVW	·caught(SB), R0
	ADD	$8, RSP, R1
	MOVD	$1, R2
	MOVD	$SYS_write, R8
	SVC
	ADD	$16, RSP
	RET

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB),NOSPLIT,$0-8
	MOVD	$handler<>(SB), R0
	MOVD	R0, ret+0(FP)
	RET

// func restorerAddress() uintptr
TEXT ·restorerAddress(SB),NOSPLIT,$0-8
	MOVD	ZR, ret+0(FP)
	RET
