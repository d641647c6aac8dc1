package jpeg

import "errors"

// huffman is a code of T.81 annex C: for each length the first code, and where its values begin.
type huffman struct {
	first  [17]int32
	count  [17]int32
	offset [17]int32
	values []byte
}

// huffmanTables reads tables of T.81 B.2.4.2.
func (d *decoder) huffmanTables(seg []byte) error {
	bad := errors.New("a Huffman table that is no such")
	for len(seg) > 0 {
		class, index := seg[0]>>4, seg[0]&15
		if class > 1 || index > 3 || len(seg) < 17 {
			return bad
		}
		h, code, total := new(huffman), int32(0), int32(0)
		for n := 1; n <= 16; n++ {
			h.first[n], h.offset[n], h.count[n] = code, total, int32(seg[n])
			total += h.count[n]
			if code += h.count[n]; code > 1<<n {
				return bad
			}
			code <<= 1
		}
		if total > 256 || len(seg) < 17+int(total) {
			return bad
		}
		h.values = seg[17 : 17+total]
		d.huff[class][index] = h
		seg = seg[17+total:]
	}
	return nil
}

// bitReader reads the bits of a scan. Its first error sticks, and bits after it are 0.
type bitReader struct {
	data []byte
	pos  int
	acc  uint32
	n    int
	err  error
}

func (r *bitReader) bit() int32 {
	if r.n == 0 {
		r.fill()
	}
	r.n--
	return int32(r.acc>>r.n) & 1
}

// fill takes one byte: 0xff stands for itself where 0 follows, else it begins a marker, which ends the data.
func (r *bitReader) fill() {
	r.acc, r.n = 0, 8
	switch {
	case r.pos >= len(r.data):
		r.fail(errTruncated)
	case r.data[r.pos] != 0xff:
		r.acc = uint32(r.data[r.pos])
		r.pos++
	case r.pos+1 < len(r.data) && r.data[r.pos+1] == 0:
		r.acc = 0xff
		r.pos += 2
	default:
		r.fail(errors.New("a scan ends before all its blocks are there"))
	}
}

func (r *bitReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *bitReader) bits(n int) int32 {
	v := int32(0)
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// extend reads the n bits of a number, T.81 F.2.2.1: those below half of the range stand for negative ones.
func (r *bitReader) extend(n int) int32 {
	v := r.bits(n)
	if n > 0 && v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

func (r *bitReader) symbol(h *huffman) int {
	code := int32(0)
	for n := 1; n <= 16; n++ {
		code = code<<1 | r.bit()
		if i := code - h.first[n]; i < h.count[n] {
			return int(h.values[h.offset[n]+i])
		}
	}
	r.fail(errors.New("a Huffman code that its table lacks"))
	return 0
}
