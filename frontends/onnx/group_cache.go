package onnx

import "github.com/emilyc/emily/ir"

// groupCache is how keys, or values, lie in the cache of grouped attention: as they are, or as integers of 8 bits, or of 4 in pairs from
// the low ones on, of a scale for all or for each head and place in it.
type groupCache struct {
	scale *ir.Value // nil where they lie as they are
	bits  int64
}

// groupCache reads the attribute of that name and the scale, which is operand i, for a cache past of kv heads.
func (n *Node) groupCache(attr string, i int, past *ir.Value, kv int64) groupCache {
	kind, bits := n.String(attr, "NONE"), n.Int("kv_cache_bit_width", 0)
	scale := n.arg(i)
	if kind == "NONE" {
		return groupCache{}
	}
	d := map[int64]ir.DType{8: ir.I8, 4: ir.U8}[bits]
	if scale == nil || past == nil || past.DType() != d || past.Rank() != 4 || kind != "PER_TENSOR" && kind != "PER_CHANNEL" {
		n.fail(Unsupported, "give a cache of i8 with kv_cache_bit_width 8, or u8 with 4, a scale, and PER_TENSOR or PER_CHANNEL", "%s %q with %d bits", attr, clip(kind), bits)
		return groupCache{}
	}
	if kind == "PER_TENSOR" {
		return groupCache{n.scalar(scale), bits}
	}
	each := size(past, 3)
	if bits == 4 {
		each = each.Mul(ir.Size(2))
	}
	return groupCache{n.reshape(scale, ir.Size(kv), ir.Size(1), each), bits}
}

// encode makes what lies in the cache of x[B, K, S, D].
func (c groupCache) encode(n *Node, x *ir.Value) *ir.Value {
	if c.scale == nil || !n.ok() {
		return x
	}
	least, most := -float64(int64(1)<<(c.bits-1)), float64(int64(1)<<(c.bits-1)-1)
	x = n.op(ir.Round, nil, n.op(ir.Div, nil, n.cast(x, ir.F32), c.scale))
	x = n.op(ir.Min, nil, n.op(ir.Max, nil, x, n.number(ir.F32, least)), n.number(ir.F32, most))
	if c.bits == 8 {
		return n.cast(x, ir.I8)
	}
	x = n.cast(n.op(ir.Add, nil, x, n.number(ir.F32, -least)), ir.U8)
	every := func(first int64) *ir.Value {
		return n.slice(x, n.b.Ints(first), n.b.Dims(size(x, 3)), []int64{3}, []int64{2})
	}
	return n.op(ir.BitOr, nil, every(0), n.op(ir.ShiftLeft, nil, every(1), n.number(ir.U8, 4)))
}

// decode gives what lies in the cache in dtype d.
func (c groupCache) decode(n *Node, x *ir.Value, d ir.DType) *ir.Value {
	if c.scale == nil || !n.ok() {
		return x
	}
	if c.bits == 4 {
		width, known := size(x, 3).Value()
		if !known {
			return n.fail(Unsupported, "bind the size of a head", "cache of %s", x.Type)
		}
		x = n.op(ir.Sub, nil, n.cast(n.unpacked(x, 4, 2*width), ir.F32), n.number(ir.F32, 8))
	}
	return n.cast(n.op(ir.Mul, nil, n.cast(x, ir.F32), c.scale), d)
}
