package jpeg

import (
	"errors"
	"fmt"
)

// scan is one pass over some of the components: bits of the coefficients start to end, down to bit low; high is the bit that the scan
// before ended with, 0 where there is none.
type scan struct {
	bitReader
	comps      []scanComponent
	start, end int
	high, low  int
	run        int32 // blocks that have no more coefficients, still to come
}

type scanComponent struct {
	*component
	dc, ac *huffman
	last   int32 // DC
}

// scan reads a scan, T.81 B.2.3, and leaves its coefficients in the components.
func (d *decoder) scan(seg []byte) error {
	if d.comps == nil {
		return errors.New("a scan comes before the frame")
	}
	if d.scans++; d.scans > mostScans {
		return fmt.Errorf("it has more than %d scans", mostScans)
	}
	s, err := d.scanHead(seg)
	if err != nil {
		return err
	}
	s.bitReader = bitReader{data: d.data, pos: d.pos}
	decode := s.sequential
	if d.progressive {
		decode = s.progressiveBlock()
	}
	across, down := ceilDiv(d.width, 8*d.hmax), ceilDiv(d.height, 8*d.vmax)
	if len(s.comps) == 1 { // not interleaved: the blocks that have samples, one by one
		across, down = ceilDiv(s.comps[0].width, 8), ceilDiv(s.comps[0].height, 8)
	}
	for i := range across * down {
		if d.interval > 0 && i > 0 && i%d.interval == 0 {
			if err := s.restart(); err != nil {
				return err
			}
		}
		s.mcu(i%across, i/across, decode)
		if s.err != nil {
			return s.err
		}
	}
	d.pos = s.pos
	return nil
}

func (d *decoder) scanHead(seg []byte) (*scan, error) {
	if len(seg) < 1 || len(seg) != 4+2*int(seg[0]) || seg[0] < 1 || seg[0] > 4 {
		return nil, errors.New("scan head of a wrong length")
	}
	n := int(seg[0])
	tail := seg[1+2*n:]
	s := &scan{start: int(tail[0]), end: int(tail[1]), high: int(tail[2] >> 4), low: int(tail[2] & 15)}
	if !d.progressive {
		s.start, s.end, s.high, s.low = 0, 63, 0, 0
	}
	ok := s.start <= s.end && s.end < 64 && s.low <= 13 && (s.high == 0 || s.high == s.low+1)
	if d.progressive {
		ok = ok && (s.start == 0) == (s.end == 0) && (s.start == 0 || n == 1)
	}
	if !ok {
		return nil, fmt.Errorf("a scan of coefficients %d to %d, bits %d to %d", s.start, s.end, s.high, s.low)
	}
	for i := range n {
		c, err := d.scanComponent(seg[1+2*i], seg[2+2*i], s)
		if err != nil {
			return nil, err
		}
		s.comps = append(s.comps, c)
	}
	return s, nil
}

func (d *decoder) scanComponent(id, tables byte, s *scan) (scanComponent, error) {
	var out scanComponent
	for _, c := range d.comps {
		if c.id == id {
			out.component = c
		}
	}
	if out.component == nil {
		return out, fmt.Errorf("a scan of component %d, which is not there", id)
	}
	for _, c := range s.comps {
		if c.id == id {
			return out, fmt.Errorf("a scan has component %d twice", id)
		}
	}
	c := out.component
	if c.quant == nil {
		if c.quant = d.quant[c.tableIndex]; c.quant == nil {
			return out, fmt.Errorf("component %d has no quantisation table", id)
		}
		c.blocks = make([][64]int16, c.across*c.down)
	}
	if tables>>4 > 3 || tables&15 > 3 {
		return out, fmt.Errorf("component %d: Huffman tables %d and %d", id, tables>>4, tables&15)
	}
	out.dc, out.ac = d.huff[0][tables>>4], d.huff[1][tables&15]
	needDC, needAC := s.start == 0 && s.high == 0, s.end > 0
	if needDC && out.dc == nil || needAC && out.ac == nil {
		return out, fmt.Errorf("component %d has no Huffman table", id)
	}
	return out, nil
}

// mcu reads the blocks of one MCU.
func (s *scan) mcu(x, y int, decode func(*scanComponent, *[64]int16)) {
	for i := range s.comps {
		c := &s.comps[i]
		if len(s.comps) == 1 {
			decode(c, &c.blocks[y*c.across+x])
			return
		}
		for v := range c.v {
			for h := range c.h {
				decode(c, &c.blocks[(y*c.v+v)*c.across+x*c.h+h])
			}
		}
	}
}

// restart finds the restart marker and begins anew.
func (s *scan) restart() error {
	for s.pos+1 < len(s.data) {
		if b := s.data[s.pos+1]; s.data[s.pos] == 0xff && b != 0 && b != 0xff {
			if b < rst0 || b > rst7 {
				return fmt.Errorf("marker %#x where a restart is due", b)
			}
			s.pos, s.n, s.run = s.pos+2, 0, 0
			for i := range s.comps {
				s.comps[i].last = 0
			}
			return nil
		}
		s.pos++
	}
	return errTruncated
}

// sequential reads a block of a baseline or extended scan, T.81 F.2.2.
func (s *scan) sequential(c *scanComponent, b *[64]int16) {
	s.dcFirst(c, b)
	for k := 1; k < 64; k++ {
		sym := s.symbol(c.ac)
		k += sym >> 4
		if sym&15 == 0 {
			if sym != 0xf0 {
				return
			}
			continue
		}
		v := s.extend(sym & 15)
		if k > 63 {
			s.fail(errors.New("a block of more than 64 coefficients"))
			return
		}
		b[k] = int16(v)
	}
}

// progressiveBlock is what a scan of a progressive file does with a block, T.81 G.1.2.
func (s *scan) progressiveBlock() func(*scanComponent, *[64]int16) {
	switch {
	case s.start == 0 && s.high == 0:
		return s.dcFirst
	case s.start == 0:
		return s.dcRefine
	case s.high == 0:
		return s.acFirst
	}
	return s.acRefine
}

func (s *scan) dcFirst(c *scanComponent, b *[64]int16) {
	n := s.symbol(c.dc)
	if n > 15 {
		s.fail(fmt.Errorf("a DC difference of %d bits", n))
		return
	}
	c.last += s.extend(n)
	b[0] = int16(c.last << s.low)
}

func (s *scan) dcRefine(_ *scanComponent, b *[64]int16) {
	b[0] |= int16(s.bit() << s.low)
}

func (s *scan) acFirst(c *scanComponent, b *[64]int16) {
	if s.run > 0 {
		s.run--
		return
	}
	for k := s.start; k <= s.end; k++ {
		sym := s.symbol(c.ac)
		zeros, n := sym>>4, sym&15
		if n == 0 && zeros < 15 {
			s.run = 1<<zeros + s.bits(zeros) - 1
			return
		}
		if k += zeros; n == 0 {
			continue
		}
		v := s.extend(n)
		if k > s.end {
			s.fail(errors.New("a block of more coefficients than its scan has"))
			return
		}
		b[k] = int16(v << s.low)
	}
}

// acRefine adds a bit to the coefficients that are not 0, and finds those that get their first bit now.
func (s *scan) acRefine(c *scanComponent, b *[64]int16) {
	k := s.start
	if s.run == 0 {
		for k <= s.end && s.err == nil {
			sym := s.symbol(c.ac)
			zeros, n := sym>>4, sym&15
			value := int16(0)
			switch {
			case n == 0 && zeros < 15:
				s.run = 1<<zeros + s.bits(zeros)
			case n == 1:
				value = int16(1) << s.low
				if s.bit() == 0 {
					value = -value
				}
			case n > 1:
				s.fail(errors.New("a refinement by more than one bit"))
				return
			}
			if s.run > 0 {
				break
			}
			if k = s.refine(b, k, zeros); k <= s.end && value != 0 {
				b[k] = value
			}
			k++
		}
	}
	if s.run > 0 {
		s.refine(b, k, 64)
		s.run--
	}
}

// refine adds a bit to each coefficient that is not 0 from k on, until it has passed as many zeros, and gives the index of the next zero.
func (s *scan) refine(b *[64]int16, k, zeros int) int {
	for ; k <= s.end; k++ {
		switch {
		case b[k] == 0 && zeros == 0:
			return k
		case b[k] == 0:
			zeros--
		case s.bit() == 1 && b[k]>>s.low&1 == 0:
			s.addBit(&b[k])
		}
	}
	return k
}

func (s *scan) addBit(v *int16) {
	if *v > 0 {
		*v += 1 << s.low
	} else {
		*v -= 1 << s.low
	}
}
