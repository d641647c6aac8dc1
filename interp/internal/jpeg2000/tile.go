package jpeg2000

import (
	"fmt"
	"image"
	"math"
)

// tileComponent is a component's part of a tile, T.800 annex B.
type tileComponent struct {
	*componentStyle
	area        image.Rectangle
	resolutions []*resolution
	coef        []float32 // what comes out of the wavelet, for the one that is not reversible
	whole       []int32   // for the one that is
}

type resolution struct {
	area   image.Rectangle
	px, py int // log2 of the size of precincts
	across int // precincts
	down   int
	bands  []*band
}

// band is a subband: low or high in x and in y.
type band struct {
	area         image.Rectangle
	highX, highY bool
	planes       int // of bits, at most
	step         float32
	precincts    []*precinct
	data         []int32 // twice the magnitudes, signed; odd where half a step is added
}

// precinct is the part of a band that a packet has.
type precinct struct {
	across, down int // code-blocks
	blocks       []*block
	included     *tagTree
	zeroPlanes   *tagTree
}

func shiftUp(n int, by int) int { return (n + 1<<by - 1) >> by }

func shiftRect(r image.Rectangle, by int) image.Rectangle {
	return image.Rect(shiftUp(r.Min.X, by), shiftUp(r.Min.Y, by), shiftUp(r.Max.X, by), shiftUp(r.Max.Y, by))
}

// tileArea is where a tile lies on the reference grid.
func (d *decoder) tileArea(index int) image.Rectangle {
	p, q := index%d.across, index/d.across
	return d.tiling.Add(image.Pt(p*d.tiling.Dx(), q*d.tiling.Dy())).Intersect(d.bounds)
}

// decodeTile reads the packets of a tile and puts its samples into the planes.
func (d *decoder) decodeTile(t *tile) error {
	area := d.tileArea(t.index)
	comps := make([]*tileComponent, len(d.comps))
	budget := len(t.data) // every packet takes a byte
	for i, c := range d.comps {
		tc, err := newTileComponent(&t.style.comps[i], scaleDown(area, c.dx, c.dy), c.bits, &budget)
		if err != nil {
			return err
		}
		comps[i] = tc
	}
	if err := readPackets(d, t, area, comps); err != nil {
		return err
	}
	for _, tc := range comps {
		if err := tc.reconstruct(); err != nil {
			return err
		}
	}
	if t.style.mixed {
		if err := unmix(comps); err != nil {
			return err
		}
	}
	for i, c := range d.comps {
		comps[i].store(c)
	}
	return nil
}

func newTileComponent(s *componentStyle, area image.Rectangle, bits int, budget *int) (*tileComponent, error) {
	tc := &tileComponent{componentStyle: s, area: area}
	bandIndex := 0
	for r := range s.levels + 1 {
		level := s.levels - r
		res := &resolution{area: shiftRect(area, level), px: 15, py: 15}
		if s.precincts != nil {
			res.px, res.py = int(s.precincts[r]&15), int(s.precincts[r]>>4)
		}
		if !res.area.Empty() {
			res.across = shiftUp(res.area.Max.X, res.px) - res.area.Min.X>>res.px
			res.down = shiftUp(res.area.Max.Y, res.py) - res.area.Min.Y>>res.py
		}
		if *budget -= res.across * res.down; *budget < 0 || res.across > 1<<24 || res.down > 1<<24 {
			return nil, errTruncated
		}
		kinds := []band{{}}
		if r > 0 {
			kinds = []band{{highX: true}, {highY: true}, {highX: true, highY: true}}
		}
		for _, b := range kinds {
			step, err := s.step(bandIndex, r)
			if err != nil {
				return nil, err
			}
			bandIndex++
			if err := b.lay(tc, res, step, level, bits); err != nil {
				return nil, err
			}
			res.bands = append(res.bands, &b)
		}
		tc.resolutions = append(tc.resolutions, res)
	}
	return tc, nil
}

// lay gives a band its place, T.800 B-15, its step, E-3, and its precincts.
func (b *band) lay(tc *tileComponent, res *resolution, step quantStep, level, bits int) error {
	split := 0 // precincts are halved in the bands of a split
	b.area = res.area
	if b.highX || b.highY {
		split = 1
		level++
		half := 1 << (level - 1)
		shift := image.Pt(btoi(b.highX)*half, btoi(b.highY)*half)
		r := image.Rectangle{Min: tc.area.Min.Sub(shift), Max: tc.area.Max.Sub(shift)}
		b.area = shiftRect(r, level)
	}
	gain := btoi(b.highX) + btoi(b.highY)
	b.planes = tc.guard + step.exponent - 1
	if b.planes > 30 || step.exponent < 0 {
		return fmt.Errorf("a band of %d bits: 30 are known", b.planes)
	}
	b.step = float32(math.Ldexp(1+float64(step.mantissa)/2048, bits+gain-step.exponent))
	if res.across*res.down == 0 {
		return nil
	}
	b.data = make([]int32, b.area.Dx()*b.area.Dy())
	px, py := res.px-split, res.py-split
	x0, y0 := res.area.Min.X>>res.px, res.area.Min.Y>>res.py
	bx, by := min(tc.blockX, px), min(tc.blockY, py)
	for i := range res.across * res.down {
		at := image.Pt((x0+i%res.across)<<px, (y0+i/res.across)<<py)
		area := image.Rectangle{Min: at, Max: at.Add(image.Pt(1<<px, 1<<py))}.Intersect(b.area)
		b.precincts = append(b.precincts, newPrecinct(area, bx, by))
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func newPrecinct(area image.Rectangle, bx, by int) *precinct {
	p := new(precinct)
	if area.Empty() {
		return p
	}
	x0, y0 := area.Min.X>>bx, area.Min.Y>>by
	p.across, p.down = shiftUp(area.Max.X, bx)-x0, shiftUp(area.Max.Y, by)-y0
	for i := range p.across * p.down {
		at := image.Pt((x0+i%p.across)<<bx, (y0+i/p.across)<<by)
		r := image.Rectangle{Min: at, Max: at.Add(image.Pt(1<<bx, 1<<by))}
		p.blocks = append(p.blocks, &block{area: r.Intersect(area), lengthBits: 3})
	}
	p.included, p.zeroPlanes = newTagTree(p.across, p.down), newTagTree(p.across, p.down)
	return p
}

// reconstruct decodes the code-blocks and undoes the wavelet.
func (tc *tileComponent) reconstruct() error {
	c := new(coder)
	for _, res := range tc.resolutions {
		for _, b := range res.bands {
			for _, p := range b.precincts {
				for _, blk := range p.blocks {
					if err := c.decode(blk, b, tc.flags); err != nil {
						return err
					}
				}
			}
		}
	}
	if tc.reversible {
		tc.whole = synthesise(tc.resolutions, func(v int32, _ float32) int32 { return v / 2 }, lift53)
	} else {
		tc.coef = synthesise(tc.resolutions, func(v int32, step float32) float32 { return float32(v) * 0.5 * step }, lift97)
	}
	return nil
}

// unmix undoes the transform of colours, T.800 annex G.
func unmix(comps []*tileComponent) error {
	if len(comps) < 3 {
		return fmt.Errorf("colour differences of %d components", len(comps))
	}
	a, b, c := comps[0], comps[1], comps[2]
	if a.area != b.area || a.area != c.area || a.reversible != b.reversible || a.reversible != c.reversible {
		return fmt.Errorf("colour differences of components that differ in size or wavelet")
	}
	for i, y := range a.whole {
		u, v := b.whole[i], c.whole[i]
		g := y - (u+v)>>2
		a.whole[i], b.whole[i], c.whole[i] = v+g, g, u+g
	}
	for i, y := range a.coef {
		u, v := b.coef[i], c.coef[i]
		a.coef[i], b.coef[i], c.coef[i] = y+1.402*v, y-0.34413*u-0.71414*v, y+1.772*u
	}
	return nil
}

// store shifts samples to 8 bits without sign.
func (tc *tileComponent) store(c *component) {
	level := int32(1) << (c.bits - 1) // also what libraries do with signed samples
	most := int32(1)<<c.bits - 1
	width := tc.area.Dx()
	for i := range width * tc.area.Dy() {
		var v int32
		if tc.reversible {
			v = tc.whole[i]
		} else {
			f := math.RoundToEven(float64(tc.coef[i]))
			v = int32(min(max(f, -1<<24), 1<<24))
		}
		v = min(max(v+level, 0), most)
		if c.bits > 8 {
			v >>= c.bits - 8
		} else {
			v <<= 8 - c.bits
		}
		at := tc.area.Min.Add(image.Pt(i%width, i/width)).Sub(c.area.Min)
		c.plane[at.Y*c.area.Dx()+at.X] = uint8(v)
	}
}
