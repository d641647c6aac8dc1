package jpeg2000

import (
	"encoding/binary"
	"fmt"
	"image"
	"math/bits"
	"slices"
)

// packet is one precinct of one resolution of one component, in each layer.
type packet struct {
	layer, resolution, comp, precinct int
	x, y                              int // of the precinct on the reference grid
}

// readPackets reads all packets of a tile in the order of its progression, T.800 B.12.
func readPackets(d *decoder, t *tile, area image.Rectangle, comps []*tileComponent) error {
	r := &packetReader{data: t.data, style: &t.style}
	order := precinctOrder(d, area, comps)
	if len(order)*t.style.layers > len(t.data) {
		return errTruncated
	}
	packets := make([]packet, 0, len(order)*t.style.layers)
	for layer := range t.style.layers {
		for _, p := range order {
			p.layer = layer
			packets = append(packets, p)
		}
	}
	key := progressions[t.style.progression]
	slices.SortStableFunc(packets, func(a, b packet) int {
		ka, kb := key(a), key(b)
		return slices.Compare(ka[:], kb[:])
	})
	for _, p := range packets {
		if err := r.packet(p, comps[p.comp]); err != nil {
			return fmt.Errorf("tile %d: %w", t.index, err)
		}
	}
	return nil
}

// progressions are the orders of packets, T.800 table A.16: layer, resolution, component, position.
var progressions = [5]func(p packet) [5]int{
	func(p packet) [5]int { return [5]int{p.layer, p.resolution, p.comp, p.precinct} },
	func(p packet) [5]int { return [5]int{p.resolution, p.layer, p.comp, p.precinct} },
	func(p packet) [5]int { return [5]int{p.resolution, p.y, p.x, p.comp, p.layer} },
	func(p packet) [5]int { return [5]int{p.y, p.x, p.comp, p.resolution, p.layer} },
	func(p packet) [5]int { return [5]int{p.comp, p.y, p.x, p.resolution, p.layer} },
}

func precinctOrder(d *decoder, area image.Rectangle, comps []*tileComponent) []packet {
	var out []packet
	for i, tc := range comps {
		for r, res := range tc.resolutions {
			level := tc.levels - r
			for k := range res.across * res.down {
				px := (res.area.Min.X>>res.px + k%res.across) << (res.px + level) * d.comps[i].dx
				py := (res.area.Min.Y>>res.py + k/res.across) << (res.py + level) * d.comps[i].dy
				out = append(out, packet{resolution: r, comp: i, precinct: k, x: max(px, area.Min.X), y: max(py, area.Min.Y)})
			}
		}
	}
	return out
}

// packetReader reads the heads of packets bit by bit: after a byte 0xff one bit is stuffed.
type packetReader struct {
	data  []byte
	pos   int
	style *style
	acc   byte
	n     int // bits left in acc
	err   error
}

func (r *packetReader) bit() int {
	if r.n == 0 {
		stuffed := r.acc == 0xff
		if r.pos >= len(r.data) {
			r.err = errTruncated
			return 0
		}
		r.acc, r.n = r.data[r.pos], 8-btoi(stuffed)
		r.pos++
	}
	r.n--
	return int(r.acc>>r.n) & 1
}

func (r *packetReader) bits(n int) int {
	v := 0
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// marker skips an optional marker and what follows it.
func (r *packetReader) marker(m uint16, length int) {
	if r.pos+length <= len(r.data) && binary.BigEndian.Uint16(r.data[r.pos:]) == m {
		r.pos += length
	}
}

// packet reads a packet: which blocks it adds to, by how many passes and bytes, then the bytes.
func (r *packetReader) packet(p packet, tc *tileComponent) error {
	r.marker(sop, 6)
	r.acc, r.n = 0, 0
	var added []addition
	if r.bit() == 1 {
		for _, b := range tc.resolutions[p.resolution].bands {
			pr := b.precincts[p.precinct]
			for i, blk := range pr.blocks {
				added = r.block(added, blk, pr, i, p.layer, tc.flags)
				if r.err != nil {
					return r.err
				}
			}
		}
	}
	if r.acc == 0xff {
		r.pos++ // a stuffed byte
	}
	r.marker(eph, 2)
	for _, a := range added {
		if a.length > len(r.data)-r.pos {
			return errTruncated
		}
		s := &a.block.segments[a.segment]
		s.data = append(s.data, r.data[r.pos:r.pos+a.length]...)
		r.pos += a.length
	}
	return r.err
}

// addition is what a packet adds to a segment of a block.
type addition struct {
	block           *block
	segment, length int
}

// block reads a block's part of a packet's head, T.800 B.10.
func (r *packetReader) block(added []addition, blk *block, pr *precinct, i, layer int, flags byte) []addition {
	x, y := i%pr.across, i/pr.across
	if blk.passes == 0 {
		if !pr.included.below(r, x, y, layer+1) {
			return added
		}
		for limit := 1; !pr.zeroPlanes.below(r, x, y, limit) && r.err == nil; limit++ {
			blk.zeroPlanes = limit
		}
	} else if r.bit() == 0 {
		return added
	}
	passes := r.passes()
	for r.bit() == 1 && r.err == nil {
		blk.lengthBits++
	}
	if blk.lengthBits > 31 {
		r.err = fmt.Errorf("a code-block's length of %d bits", blk.lengthBits)
		return added
	}
	for passes > 0 && r.err == nil {
		n := min(blk.room(flags), passes)
		length := r.bits(blk.lengthBits + bits.Len(uint(n)) - 1)
		last := len(blk.segments) - 1
		blk.segments[last].passes += n
		blk.passes += n
		passes -= n
		added = append(added, addition{blk, last, length})
	}
	return added
}

// passes reads a number of passes, T.800 table B.4.
func (r *packetReader) passes() int {
	if r.bit() == 0 {
		return 1
	}
	if r.bit() == 0 {
		return 2
	}
	if n := r.bits(2); n < 3 {
		return 3 + n
	}
	if n := r.bits(5); n < 31 {
		return 6 + n
	}
	return 37 + r.bits(7)
}

// tagTree is the tree of minima of T.800 B.10.2.
type tagTree struct {
	levels []tagLevel // the leaves first
}

type tagLevel struct {
	across int
	nodes  []tagNode
}

type tagNode struct {
	low   int // the value is this or more
	known bool
}

func newTagTree(w, h int) *tagTree {
	t := new(tagTree)
	for {
		t.levels = append(t.levels, tagLevel{w, make([]tagNode, w*h)})
		if w*h <= 1 {
			return t
		}
		w, h = (w+1)/2, (h+1)/2
	}
}

// below reads what tells whether the value of a leaf is less than limit.
func (t *tagTree) below(r *packetReader, x, y, limit int) bool {
	low := 0
	for i := len(t.levels) - 1; i >= 0; i-- {
		l := t.levels[i]
		n := &l.nodes[(y>>i)*l.across+x>>i]
		n.low = max(n.low, low)
		for !n.known && n.low < limit && r.err == nil {
			if r.bit() == 1 {
				n.known = true
			} else {
				n.low++
			}
		}
		low = n.low
	}
	leaf := t.levels[0].nodes[y*t.levels[0].across+x]
	return leaf.known && leaf.low < limit
}
