package jpeg2000

import (
	"errors"
	"fmt"
	"image"
)

// Flags of T.800 table A.19.
const (
	flagBypass = 1 << iota
	flagReset
	flagTerminate
	flagCausal
	_ // predictable termination helps encoders and those who look for errors
	flagSymbols
)

// block is a code-block: its coded data and what heads of packets said of it.
type block struct {
	area       image.Rectangle
	passes     int
	zeroPlanes int
	lengthBits int
	segments   []segment
}

// segment is a stretch of passes that are coded together.
type segment struct {
	passes, most int
	data         []byte
}

// room is the number of passes that the last segment can still take; a full one is followed by another, T.800 table D.9.
func (b *block) room(flags byte) int {
	n := len(b.segments)
	if n == 0 || b.segments[n-1].passes == b.segments[n-1].most {
		most := 1 << 30
		switch {
		case flags&flagTerminate != 0:
			most = 1
		case flags&flagBypass == 0:
		case n == 0:
			most = 10
		case b.segments[n-1].most == 2:
			most = 1
		default:
			most = 2
		}
		b.segments = append(b.segments, segment{most: most})
		n++
	}
	return b.segments[n-1].most - b.segments[n-1].passes
}

// Contexts of T.800 table D.1 and after: zero coding has the first nine.
const (
	contextSign    = 9
	contextMag     = 14
	contextRun     = 17
	contextUniform = 18
)

// State of a sample.
const (
	significant = 1 << iota
	negative
	visited // in this bit plane
	refined
)

// coder decodes code-blocks, T.800 annex D.
type coder struct {
	mq
	raw      rawBits
	isRaw    bool
	contexts [19]mqContext
	band     *band
	causal   bool
	w, h     int
	stride   int
	state    []uint8 // with a border of one
	value    []int32 // twice the magnitude, and the half of the last plane
}

// decode puts a block's values into its band.
func (c *coder) decode(b *block, bd *band, flags byte) error {
	planes := bd.planes - b.zeroPlanes
	if b.passes == 0 {
		return nil
	}
	if planes < 1 || b.passes > 3*planes-2 {
		return fmt.Errorf("a code-block of %d passes in %d bit planes", b.passes, planes)
	}
	c.begin(b, bd, flags)
	pass := 0
	for _, s := range b.segments {
		c.isRaw = flags&flagBypass != 0 && pass >= 10 && pass%3 != 0
		if c.isRaw {
			c.raw = rawBits{data: s.data}
		} else {
			c.start(s.data)
		}
		for range s.passes {
			plane := planes - 1 - (pass+2)/3
			switch pass % 3 {
			case 0:
				c.cleanup(plane)
				if flags&flagSymbols != 0 && c.symbol() != 0b1010 {
					return errors.New("a code-block whose segmentation symbol is wrong")
				}
			case 1:
				c.significance(plane)
			case 2:
				c.refinement(plane)
			}
			if flags&flagReset != 0 {
				c.reset()
			}
			pass++
		}
	}
	c.store(b)
	return nil
}

func (c *coder) begin(b *block, bd *band, flags byte) {
	c.band, c.causal = bd, flags&flagCausal != 0
	c.w, c.h = b.area.Dx(), b.area.Dy()
	c.stride = c.w + 2
	c.state = append(c.state[:0], make([]uint8, c.stride*(c.h+2))...)
	c.value = append(c.value[:0], make([]int32, c.w*c.h)...)
	c.reset()
}

func (c *coder) reset() {
	c.contexts = [19]mqContext{0: {state: 4}, contextRun: {state: 3}, contextUniform: {state: 46}}
}

func (c *coder) symbol() int {
	v := 0
	for range 4 {
		v = v<<1 | int(c.mq.bit(&c.contexts[contextUniform]))
	}
	return v
}

func (c *coder) store(b *block) {
	at := b.area.Min.Sub(c.band.area.Min)
	width := c.band.area.Dx()
	for y := range c.h {
		for x := range c.w {
			v := c.value[y*c.w+x]
			if c.state[(y+1)*c.stride+x+1]&negative != 0 {
				v = -v
			}
			c.band.data[(at.Y+y)*width+at.X+x] = v
		}
	}
}

func (c *coder) decide(context int) uint8 {
	if c.isRaw {
		return c.raw.bit()
	}
	return c.mq.bit(&c.contexts[context])
}

// below are the states of the row below, which a causal block does not see from the last row of a stripe.
func (c *coder) below(i, y int) (left, mid, right uint8) {
	if c.causal && y%4 == 3 {
		return 0, 0, 0
	}
	i += c.stride
	return c.state[i-1], c.state[i], c.state[i+1]
}

// zeroContext is that of T.800 table D.1: which neighbours are significant.
func (c *coder) zeroContext(i, y int) int {
	up := i - c.stride
	dl, dm, dr := c.below(i, y)
	h := int(c.state[i-1]&1 + c.state[i+1]&1)
	v := int(c.state[up]&1 + dm&1)
	d := int(c.state[up-1]&1 + c.state[up+1]&1 + dl&1 + dr&1)
	if c.band.highX && c.band.highY {
		return diagonalContext(h+v, d)
	}
	if c.band.highX {
		h, v = v, h
	}
	switch {
	case h == 2:
		return 8
	case h == 1 && v > 0:
		return 7
	case h == 1 && d > 0:
		return 6
	case h == 1:
		return 5
	case v > 0:
		return 2 + v
	}
	return min(d, 2)
}

func diagonalContext(sides, d int) int {
	switch {
	case d >= 3:
		return 8
	case d == 2:
		return 6 + min(sides, 1)
	case d == 1:
		return 3 + min(sides, 2)
	}
	return min(sides, 2)
}

// sign is +1, -1 or 0 for a neighbour, of T.800 table D.2.
func sign(state uint8) int {
	if state&significant == 0 {
		return 0
	}
	return 1 - int(state&negative)
}

// become makes a sample significant: its sign is read, T.800 D.3.2.
func (c *coder) become(i, x, y, plane int) {
	_, below, _ := c.below(i, y)
	h := min(max(sign(c.state[i-1])+sign(c.state[i+1]), -1), 1)
	v := min(max(sign(c.state[i-c.stride])+sign(below), -1), 1)
	flip := uint8(0)
	if h < 0 || h == 0 && v < 0 {
		h, v, flip = -h, -v, 1
	}
	context := contextSign + v // h is 0: 9 or 10
	if h == 1 {
		context = contextSign + 3 + v
	}
	bit := c.decide(context)
	if !c.isRaw {
		bit ^= flip
	}
	c.state[i] |= significant
	if bit == 1 {
		c.state[i] |= negative
	}
	c.value[y*c.w+x] = 3 << plane
}

// each visits the samples of a pass: stripes of four rows, column by column.
func (c *coder) each(visit func(i, x, y int)) {
	for top := 0; top < c.h; top += 4 {
		for x := range c.w {
			for y := top; y < min(top+4, c.h); y++ {
				visit((y+1)*c.stride+x+1, x, y)
			}
		}
	}
}

func (c *coder) significance(plane int) {
	c.each(func(i, x, y int) {
		if c.state[i]&significant != 0 {
			return
		}
		context := c.zeroContext(i, y)
		if context == 0 {
			return
		}
		if c.decide(context) == 1 {
			c.become(i, x, y, plane)
		}
		c.state[i] |= visited
	})
}

func (c *coder) refinement(plane int) {
	c.each(func(i, x, y int) {
		if c.state[i]&(significant|visited) != significant {
			return
		}
		context := contextMag + 2
		if c.state[i]&refined == 0 {
			context = contextMag + min(c.zeroContext(i, y), 1)
		}
		if c.decide(context) == 1 {
			c.value[y*c.w+x] += 1 << plane
		} else {
			c.value[y*c.w+x] -= 1 << plane
		}
		c.state[i] |= refined
	})
}

func (c *coder) cleanup(plane int) {
	for top := 0; top < c.h; top += 4 {
		for x := range c.w {
			c.column(x, top, plane)
		}
	}
}

// column is four samples of a cleanup pass, which are read as one where nothing is near, T.800 D.3.4.
func (c *coder) column(x, top, plane int) {
	y := top
	if c.quiet(x, top) {
		if c.mq.bit(&c.contexts[contextRun]) == 0 {
			return
		}
		uniform := &c.contexts[contextUniform]
		y += int(c.mq.bit(uniform)<<1 | c.mq.bit(uniform))
		c.become((y+1)*c.stride+x+1, x, y, plane)
		y++
	}
	for ; y < min(top+4, c.h); y++ {
		i := (y+1)*c.stride + x + 1
		if c.state[i]&(significant|visited) == 0 && c.decide(c.zeroContext(i, y)) == 1 {
			c.become(i, x, y, plane)
		}
	}
	for y := top; y < min(top+4, c.h); y++ {
		c.state[(y+1)*c.stride+x+1] &^= visited
	}
}

// quiet says that no sample of a full column is decided yet, nor any neighbour significant.
func (c *coder) quiet(x, top int) bool {
	if top+4 > c.h {
		return false
	}
	for y := top; y < top+4; y++ {
		i := (y+1)*c.stride + x + 1
		if c.state[i]&(significant|visited) != 0 || c.zeroContext(i, y) != 0 {
			return false
		}
	}
	return true
}
