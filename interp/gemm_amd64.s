#include "textflag.h"

// Sums of a row: one element of a times 24 (or 12) of b.
#define ROW512(off, c0, c1, c2) \
	VBROADCASTSD off(SI), Z27   \
	VFMADD231PD  Z24, Z27, c0   \
	VFMADD231PD  Z25, Z27, c1   \
	VFMADD231PD  Z26, Z27, c2

#define ADD512(c0, c1, c2)       \
	VADDPD  (DI), c0, c0     \
	VADDPD  64(DI), c1, c1   \
	VADDPD  128(DI), c2, c2  \
	VMOVUPD c0, (DI)         \
	VMOVUPD c1, 64(DI)       \
	VMOVUPD c2, 128(DI)      \
	ADDQ    R8, DI

// func multiplyAVX512(k int, a, b, c *float64, ldc int)
TEXT ·multiplyAVX512(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), DI
	MOVQ ldc+32(FP), R8
	SHLQ $3, R8
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z4, Z4, Z4
	VPXORQ Z5, Z5, Z5
	VPXORQ Z6, Z6, Z6
	VPXORQ Z7, Z7, Z7
	VPXORQ Z8, Z8, Z8
	VPXORQ Z9, Z9, Z9
	VPXORQ Z10, Z10, Z10
	VPXORQ Z11, Z11, Z11
	VPXORQ Z12, Z12, Z12
	VPXORQ Z13, Z13, Z13
	VPXORQ Z14, Z14, Z14
	VPXORQ Z15, Z15, Z15
	VPXORQ Z16, Z16, Z16
	VPXORQ Z17, Z17, Z17
	VPXORQ Z18, Z18, Z18
	VPXORQ Z19, Z19, Z19
	VPXORQ Z20, Z20, Z20
	VPXORQ Z21, Z21, Z21
	VPXORQ Z22, Z22, Z22
	VPXORQ Z23, Z23, Z23

loop:
	VMOVUPD (DX), Z24
	VMOVUPD 64(DX), Z25
	VMOVUPD 128(DX), Z26
	ROW512(0, Z0, Z1, Z2)
	ROW512(8, Z3, Z4, Z5)
	ROW512(16, Z6, Z7, Z8)
	ROW512(24, Z9, Z10, Z11)
	ROW512(32, Z12, Z13, Z14)
	ROW512(40, Z15, Z16, Z17)
	ROW512(48, Z18, Z19, Z20)
	ROW512(56, Z21, Z22, Z23)
	ADDQ    $64, SI
	ADDQ    $192, DX
	DECQ    CX
	JNZ     loop

	ADD512(Z0, Z1, Z2)
	ADD512(Z3, Z4, Z5)
	ADD512(Z6, Z7, Z8)
	ADD512(Z9, Z10, Z11)
	ADD512(Z12, Z13, Z14)
	ADD512(Z15, Z16, Z17)
	ADD512(Z18, Z19, Z20)
	ADD512(Z21, Z22, Z23)
	VZEROUPPER
	RET

#define ROW256(off, c0, c1, c2) \
	VBROADCASTSD off(SI), Y15   \
	VFMADD231PD  Y12, Y15, c0   \
	VFMADD231PD  Y13, Y15, c1   \
	VFMADD231PD  Y14, Y15, c2

#define ADD256(c0, c1, c2)       \
	VADDPD  (DI), c0, c0     \
	VADDPD  32(DI), c1, c1   \
	VADDPD  64(DI), c2, c2   \
	VMOVUPD c0, (DI)         \
	VMOVUPD c1, 32(DI)       \
	VMOVUPD c2, 64(DI)       \
	ADDQ    R8, DI

// func multiplyFMA(k int, a, b, c *float64, ldc int)
TEXT ·multiplyFMA(SB), NOSPLIT, $0-40
	MOVQ k+0(FP), CX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), DI
	MOVQ ldc+32(FP), R8
	SHLQ $3, R8
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	VXORPD Y2, Y2, Y2
	VXORPD Y3, Y3, Y3
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7
	VXORPD Y8, Y8, Y8
	VXORPD Y9, Y9, Y9
	VXORPD Y10, Y10, Y10
	VXORPD Y11, Y11, Y11

loop:
	VMOVUPD (DX), Y12
	VMOVUPD 32(DX), Y13
	VMOVUPD 64(DX), Y14
	ROW256(0, Y0, Y1, Y2)
	ROW256(8, Y3, Y4, Y5)
	ROW256(16, Y6, Y7, Y8)
	ROW256(24, Y9, Y10, Y11)
	ADDQ    $32, SI
	ADDQ    $96, DX
	DECQ    CX
	JNZ     loop

	ADD256(Y0, Y1, Y2)
	ADD256(Y3, Y4, Y5)
	ADD256(Y6, Y7, Y8)
	ADD256(Y9, Y10, Y11)
	VZEROUPPER
	RET

// func widenAVX(dst *float64, src *float32, n int)
TEXT ·widenAVX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VCVTPS2PD (SI), Y0
	VCVTPS2PD 16(SI), Y1
	VMOVUPD   Y0, (DI)
	VMOVUPD   Y1, 32(DI)
	ADDQ      $32, SI
	ADDQ      $64, DI
	SUBQ      $8, CX
	JNZ       loop
	VZEROUPPER
	RET

// func narrowAVX(dst *float32, src *float64, n int)
TEXT ·narrowAVX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VCVTPD2PSY (SI), X0
	VCVTPD2PSY 32(SI), X1
	VMOVUPS    X0, (DI)
	VMOVUPS    X1, 16(DI)
	ADDQ       $64, SI
	ADDQ       $32, DI
	SUBQ       $8, CX
	JNZ        loop
	VZEROUPPER
	RET

// func addScaledAVX(dst *float64, a float64, src *float64, n int)
TEXT ·addScaledAVX(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	VBROADCASTSD a+8(FP), Y2
	MOVQ         src+16(FP), SI
	MOVQ         n+24(FP), CX

loop:
	VMOVUPD     (DI), Y0
	VMOVUPD     32(DI), Y1
	VFMADD231PD (SI), Y2, Y0
	VFMADD231PD 32(SI), Y2, Y1
	VMOVUPD     Y0, (DI)
	VMOVUPD     Y1, 32(DI)
	ADDQ        $64, SI
	ADDQ        $64, DI
	SUBQ        $8, CX
	JNZ         loop
	VZEROUPPER
	RET
