package jpeg2000

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// Markers of T.800, table A.2.
const (
	soc, sot, sod, eoc = 0xff4f, 0xff90, 0xff93, 0xffd9
	siz                = 0xff51
	cod, coc           = 0xff52, 0xff53
	qcd, qcc           = 0xff5c, 0xff5d
	rgn, poc           = 0xff5e, 0xff5f
	ppm, ppt           = 0xff60, 0xff61
	sop, eph           = 0xff91, 0xff92
)

type decoder struct {
	data   []byte
	pos    int
	bounds image.Rectangle // of the image on the reference grid
	tiling image.Rectangle // the first tile
	across int             // tiles
	down   int
	comps  []*component
	style  style
	tiles  map[int]*tile
}

// component is a plane of samples.
type component struct {
	bits   int
	signed bool
	dx, dy int // its step on the reference grid
	area   image.Rectangle
	plane  []uint8
}

// style is how tiles are coded: T.800 A.6.1 for all components, and each component's own.
type style struct {
	progression  byte
	layers       int
	mixed        bool // the first three components are colour differences
	sopUsed, eph bool
	comps        []componentStyle
}

type componentStyle struct {
	levels         int
	blockX, blockY int // log2 of the size of code-blocks
	flags          byte
	reversible     bool
	precincts      []byte // log2 of their sizes, x in the low four bits; none for the largest
	guard          int
	steps          []quantStep
	derived        bool // steps has one, for the lowest band
	ownCoding      bool // set by a marker for this component alone
	ownQuant       bool
}

type quantStep struct{ exponent, mantissa int }

// tile is the coded data of a tile, put together from its parts.
type tile struct {
	index int
	style style
	data  []byte
}

func (s style) clone() style {
	s.comps = append([]componentStyle(nil), s.comps...)
	return s
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func (d *decoder) be16() (int, error) {
	if d.pos+2 > len(d.data) {
		return 0, errTruncated
	}
	d.pos += 2
	return int(binary.BigEndian.Uint16(d.data[d.pos-2:])), nil
}

// segment is the body of the marker segment that follows.
func (d *decoder) segment() ([]byte, error) {
	n, err := d.be16()
	if err != nil {
		return nil, err
	}
	if n < 2 || d.pos+n-2 > len(d.data) {
		return nil, errTruncated
	}
	seg := d.data[d.pos : d.pos+n-2]
	d.pos += n - 2
	return seg, nil
}

// mainHead reads up to the first tile-part.
func (d *decoder) mainHead() error {
	if m, err := d.be16(); err != nil || m != soc {
		return errors.New("it does not begin as a codestream does")
	}
	for {
		m, err := d.be16()
		if err != nil {
			return err
		}
		if m == sot {
			d.pos -= 2
			return d.checkHead()
		}
		if m == eoc || m == sod {
			return errors.New("it has no tile")
		}
		seg, err := d.segment()
		if err != nil {
			return err
		}
		if m == siz {
			err = d.size(seg)
		} else {
			err = d.coding(m, seg, &d.style, false)
		}
		if err != nil {
			return err
		}
	}
}

func (d *decoder) checkHead() error {
	if d.comps == nil || d.style.layers == 0 {
		return errors.New("its head lacks sizes or coding")
	}
	for i, c := range d.style.comps {
		if c.steps == nil {
			return fmt.Errorf("component %d has no quantisation", i)
		}
	}
	return nil
}

// mostTiles bounds what is kept for a short file: T.800 allows as many.
const mostTiles = 65535

// size reads SIZ, T.800 A.5.1.
func (d *decoder) size(seg []byte) error {
	if d.comps != nil || len(seg) < 36 || len(seg) != 36+3*int(binary.BigEndian.Uint16(seg[34:])) {
		return errors.New("sizes that are no such")
	}
	var v [8]int
	for i := range v {
		u := binary.BigEndian.Uint32(seg[2+4*i:])
		if u > 1<<31-1 {
			return fmt.Errorf("a size of %d", u)
		}
		v[i] = int(u)
	}
	d.bounds = image.Rect(v[2], v[3], v[0], v[1])
	d.tiling = image.Rect(v[6], v[7], v[6]+v[4], v[7]+v[5])
	if v[2] >= v[0] || v[3] >= v[1] || v[4] == 0 || v[5] == 0 || v[6] > v[2] || v[7] > v[3] || !d.bounds.Overlaps(d.tiling) {
		return fmt.Errorf("an image over %v in tiles from %v", d.bounds, d.tiling)
	}
	d.across, d.down = ceilDiv(v[0]-v[6], v[4]), ceilDiv(v[1]-v[7], v[5])
	if d.across > mostTiles || d.across*d.down > mostTiles {
		return fmt.Errorf("%d × %d tiles", d.across, d.down)
	}
	for s := seg[36:]; len(s) > 0; s = s[3:] {
		c := &component{bits: int(s[0]&0x7f) + 1, signed: s[0]&0x80 != 0, dx: int(s[1]), dy: int(s[2])}
		if c.bits > 16 || c.dx == 0 || c.dy == 0 {
			return fmt.Errorf("a component of %d bits, one sample in %d × %d", c.bits, c.dx, c.dy)
		}
		c.area = scaleDown(d.bounds, c.dx, c.dy)
		if c.area.Empty() {
			return errors.New("a component without samples")
		}
		d.comps = append(d.comps, c)
	}
	d.style.comps = make([]componentStyle, len(d.comps))
	return nil
}

func scaleDown(r image.Rectangle, dx, dy int) image.Rectangle {
	return image.Rectangle{
		Min: image.Pt(ceilDiv(r.Min.X, dx), ceilDiv(r.Min.Y, dy)),
		Max: image.Pt(ceilDiv(r.Max.X, dx), ceilDiv(r.Max.Y, dy)),
	}
}

// coding reads the segments that say how a tile is coded. In a tile's own head they go before those of the main head.
func (d *decoder) coding(marker int, seg []byte, s *style, own bool) error {
	if d.comps == nil {
		return errors.New("its head lacks sizes")
	}
	switch marker {
	case cod:
		return s.setCoding(seg, own)
	case qcd:
		var q componentStyle
		if err := q.setQuant(seg); err != nil {
			return err
		}
		for i := range s.comps {
			if c := &s.comps[i]; own || !c.ownQuant {
				c.guard, c.steps, c.derived = q.guard, q.steps, q.derived
			}
		}
	case coc, qcc:
		i, rest, err := d.componentIndex(seg)
		if err != nil {
			return err
		}
		if marker == qcc {
			s.comps[i].ownQuant = true
			return s.comps[i].setQuant(rest)
		}
		if len(rest) < 1 {
			return errTruncated
		}
		s.comps[i].ownCoding = true
		return s.comps[i].setCoding(rest[1:], rest[0]&1 != 0)
	case rgn:
		return errors.New("it has a region of interest, which is not known")
	case poc:
		return errors.New("it changes its progression, which is not known")
	case ppm, ppt:
		return errors.New("it has packed packet heads, which are not known")
	}
	return nil
}

func (d *decoder) componentIndex(seg []byte) (int, []byte, error) {
	wide := 1
	if len(d.comps) > 256 {
		wide = 2
	}
	if len(seg) < wide {
		return 0, nil, errTruncated
	}
	i := int(seg[0])
	if wide == 2 {
		i = int(binary.BigEndian.Uint16(seg))
	}
	if i >= len(d.comps) {
		return 0, nil, fmt.Errorf("coding of component %d of %d", i, len(d.comps))
	}
	return i, seg[wide:], nil
}

// setCoding reads COD, T.800 A.6.1.
func (s *style) setCoding(seg []byte, own bool) error {
	if len(seg) < 10 {
		return errTruncated
	}
	s.sopUsed, s.eph = seg[0]&2 != 0, seg[0]&4 != 0
	s.progression, s.layers, s.mixed = seg[1], int(binary.BigEndian.Uint16(seg[2:])), seg[4] != 0
	if s.progression > 4 || s.layers == 0 || seg[4] > 1 {
		return fmt.Errorf("progression %d, %d layers, transform %d", s.progression, s.layers, seg[4])
	}
	var c componentStyle
	if err := c.setCoding(seg[5:], seg[0]&1 != 0); err != nil {
		return err
	}
	for i := range s.comps {
		if at := &s.comps[i]; own || !at.ownCoding {
			at.levels, at.blockX, at.blockY, at.flags = c.levels, c.blockX, c.blockY, c.flags
			at.reversible, at.precincts = c.reversible, c.precincts
		}
	}
	return nil
}

// setCoding reads the part that COD and COC share, T.800 table A.15.
func (c *componentStyle) setCoding(seg []byte, precincts bool) error {
	if len(seg) < 5 {
		return errTruncated
	}
	c.levels, c.blockX, c.blockY = int(seg[0]), int(seg[1]&15)+2, int(seg[2]&15)+2
	c.flags, c.reversible, c.precincts = seg[3], seg[4] == 1, nil
	if c.levels > 32 || c.blockX > 10 || c.blockY > 10 || c.blockX+c.blockY > 12 || seg[4] > 1 || c.flags > 63 {
		return fmt.Errorf("%d levels, code-blocks 2^%d × 2^%d, wavelet %d, flags %#x", c.levels, c.blockX, c.blockY, seg[4], c.flags)
	}
	if !precincts {
		return nil
	}
	if len(seg) < 5+c.levels+1 {
		return errTruncated
	}
	c.precincts = seg[5 : 5+c.levels+1]
	for r, p := range c.precincts {
		if r > 0 && (p&15 == 0 || p>>4 == 0) {
			return errors.New("precincts of less than one sample")
		}
	}
	return nil
}

// setQuant reads what QCD and QCC share, T.800 A.6.4.
func (c *componentStyle) setQuant(seg []byte) error {
	if len(seg) < 2 {
		return errTruncated
	}
	c.guard, c.steps, c.derived = int(seg[0]>>5), nil, seg[0]&31 == 1
	switch seg[0] & 31 {
	case 0:
		for _, b := range seg[1:] {
			c.steps = append(c.steps, quantStep{exponent: int(b >> 3)})
		}
	case 1, 2:
		for s := seg[1:]; len(s) >= 2; s = s[2:] {
			v := int(binary.BigEndian.Uint16(s))
			c.steps = append(c.steps, quantStep{v >> 11, v & 0x7ff})
		}
	default:
		return fmt.Errorf("quantisation %d is not known", seg[0]&31)
	}
	if len(c.steps) == 0 {
		return errTruncated
	}
	return nil
}

// step is the quantisation of band i, counted from the lowest, at a resolution.
func (c *componentStyle) step(i, resolution int) (quantStep, error) {
	if c.derived { // T.800 E-5
		s := c.steps[0]
		s.exponent -= max(resolution-1, 0)
		return s, nil
	}
	if i >= len(c.steps) {
		return quantStep{}, fmt.Errorf("quantisation of %d bands: there are more", len(c.steps))
	}
	return c.steps[i], nil
}

// tileParts gathers the data of all tiles, T.800 A.4.2.
func (d *decoder) tileParts() error {
	for {
		m, err := d.be16()
		if err != nil {
			return err
		}
		if m == eoc {
			break
		}
		if m != sot {
			return fmt.Errorf("marker %#x where a tile is due", m)
		}
		if err := d.tilePart(); err != nil {
			return err
		}
	}
	if len(d.tiles) != d.across*d.down {
		return fmt.Errorf("%d of %d tiles are there", len(d.tiles), d.across*d.down)
	}
	return nil
}

func (d *decoder) tilePart() error {
	start := d.pos - 2
	seg, err := d.segment()
	if err != nil {
		return err
	}
	if len(seg) != 8 {
		return errors.New("tile head of a wrong length")
	}
	index, length := int(binary.BigEndian.Uint16(seg)), int(binary.BigEndian.Uint32(seg[2:]))
	if index >= d.across*d.down {
		return fmt.Errorf("tile %d of %d", index, d.across*d.down)
	}
	end := start + length
	if length == 0 { // to the end of the codestream
		end = len(d.data)
		if end >= 2 && binary.BigEndian.Uint16(d.data[end-2:]) == eoc {
			end -= 2
		}
	}
	t := d.tiles[index]
	if t == nil {
		t = &tile{index: index, style: d.style.clone()}
		d.tiles[index] = t
	}
	for {
		m, err := d.be16()
		if err != nil {
			return err
		}
		if m == sod {
			break
		}
		seg, err := d.segment()
		if err != nil {
			return err
		}
		if err := d.coding(m, seg, &t.style, true); err != nil {
			return err
		}
	}
	if end < d.pos || end > len(d.data) {
		return errTruncated
	}
	t.data = append(t.data, d.data[d.pos:end]...)
	d.pos = end
	return nil
}
