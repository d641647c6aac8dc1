#include "textflag.h"

// A row of sums: one element of a, in both lanes of V12, times 8 of b.
#define ROW(lane, s0, s1, s2, s3) \
	VDUP  lane, V12.D2         \
	VFMLA V0.D2, V12.D2, s0.D2 \
	VFMLA V1.D2, V12.D2, s1.D2 \
	VFMLA V2.D2, V12.D2, s2.D2 \
	VFMLA V3.D2, V12.D2, s3.D2

// func multiplyNEON(k int, a, b, c *float64, ldc int)
TEXT ·multiplyNEON(SB), NOSPLIT, $0-40
	MOVD k+0(FP), R0
	MOVD a+8(FP), R1
	MOVD b+16(FP), R2
	MOVD c+24(FP), R3
	MOVD ldc+32(FP), R4
	ADD  R4<<3, R3, R5
	ADD  R4<<3, R5, R6
	ADD  R4<<3, R6, R7
	VLD1 (R3), [V16.D2, V17.D2, V18.D2, V19.D2]
	VLD1 (R5), [V20.D2, V21.D2, V22.D2, V23.D2]
	VLD1 (R6), [V24.D2, V25.D2, V26.D2, V27.D2]
	VLD1 (R7), [V28.D2, V29.D2, V30.D2, V31.D2]

loop:
	VLD1.P 64(R2), [V0.D2, V1.D2, V2.D2, V3.D2]
	VLD1.P 32(R1), [V4.D2, V5.D2]
	ROW(V4.D[0], V16, V17, V18, V19)
	ROW(V4.D[1], V20, V21, V22, V23)
	ROW(V5.D[0], V24, V25, V26, V27)
	ROW(V5.D[1], V28, V29, V30, V31)
	SUBS   $1, R0, R0
	BNE    loop

	VST1 [V16.D2, V17.D2, V18.D2, V19.D2], (R3)
	VST1 [V20.D2, V21.D2, V22.D2, V23.D2], (R5)
	VST1 [V24.D2, V25.D2, V26.D2, V27.D2], (R6)
	VST1 [V28.D2, V29.D2, V30.D2, V31.D2], (R7)
	RET
