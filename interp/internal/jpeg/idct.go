package jpeg

// zigzag gives for each coefficient in the order of the file its place in the block.
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// samples makes the plane of its blocks.
func (c *component) samples() {
	stride := c.across * 8
	c.plane = make([]uint8, len(c.blocks)*64)
	for i := range c.blocks {
		var b [64]int32
		for k, v := range c.blocks[i] {
			b[zigzag[k]] = int32(v) * c.quant[k]
		}
		inverseDCT(&b)
		at := i/c.across*8*stride + i%c.across*8
		for y := range 8 {
			for x := range 8 {
				c.plane[at+y*stride+x] = clamp8(b[8*y+x] + 128)
			}
		}
	}
	c.blocks = nil
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// Constants of the transform, with 13 bits after the point.
const (
	fix0_298631336 = 2446
	fix0_390180644 = 3196
	fix0_541196100 = 4433
	fix0_765366865 = 6270
	fix0_899976223 = 7373
	fix1_175875602 = 9633
	fix1_501321110 = 12299
	fix1_847759065 = 15137
	fix1_961570560 = 16069
	fix2_053119869 = 16819
	fix2_562915447 = 20995
	fix3_072711026 = 25172
)

// inverseDCT: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989, in
// integers that are rounded where libjpeg's "islow" rounds: after columns to 2 bits, after rows to none.
func inverseDCT(b *[64]int32) {
	for x := range 8 {
		inverse8(b, x, 8, 13-2)
	}
	for y := range 8 {
		inverse8(b, 8*y, 1, 13+2+3)
	}
}

// inverse8 transforms 8 numbers and shifts them right.
func inverse8(b *[64]int32, at, step int, shift uint) {
	in := func(i int) int32 { return b[at+i*step] }
	z1 := (in(2) + in(6)) * fix0_541196100
	even2, even3 := z1-in(6)*fix1_847759065, z1+in(2)*fix0_765366865
	even0, even1 := (in(0)+in(4))<<13, (in(0)-in(4))<<13
	a0, a1, a2, a3 := even0+even3, even1+even2, even1-even2, even0-even3

	o0, o1, o2, o3 := in(7), in(5), in(3), in(1)
	z5 := (o0 + o2 + o1 + o3) * fix1_175875602
	z1, z2 := -(o0+o3)*fix0_899976223, -(o1+o2)*fix2_562915447
	z3, z4 := z5-(o0+o2)*fix1_961570560, z5-(o1+o3)*fix0_390180644
	o0 = o0*fix0_298631336 + z1 + z3
	o1 = o1*fix2_053119869 + z2 + z4
	o2 = o2*fix3_072711026 + z2 + z3
	o3 = o3*fix1_501321110 + z1 + z4

	half := int32(1) << (shift - 1)
	out := func(i int, v int32) { b[at+i*step] = (v + half) >> shift }
	out(0, a0+o3)
	out(7, a0-o3)
	out(1, a1+o2)
	out(6, a1-o2)
	out(2, a2+o1)
	out(5, a2-o1)
	out(3, a3+o0)
	out(4, a3-o0)
}
