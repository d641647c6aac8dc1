// Package cse merges ops that compute the same from the same operands, in the same region. It is exact.
package cse

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Run merges equal ops of m. One walk in program order finds all, as operands are merged before their users. Regions
// are closed, so each is a scope of its own; ops that hold regions are not merged.
func Run(m *ir.Module, c *rewrite.Context) error {
	for _, f := range m.Funcs {
		region(f.Body, c)
	}
	return nil
}

func region(r *ir.Region, c *rewrite.Context) {
	t := table{ids: map[*ir.Value]uint64{}, ops: map[string]*ir.Op{}, seed: maphash.MakeSeed()}
	merged := false
	for _, op := range r.Ops {
		for _, sub := range op.Regions {
			region(sub, c)
		}
		if !mergeable(op) {
			continue
		}
		first := t.add(op)
		if first == op || !equal(first, op) || !c.Step("merge", op) {
			continue
		}
		for i, v := range op.Results {
			v.ReplaceUses(first.Results[i])
		}
		op.Detach()
		op.Region = nil
		merged = true
	}
	if merged {
		r.Ops = slices.DeleteFunc(r.Ops, func(op *ir.Op) bool { return op.Region == nil })
	}
}

func mergeable(op *ir.Op) bool {
	return len(op.Regions) == 0 && len(op.Results) > 0 && rewrite.Removable(op)
}

// equal makes sure of what the key only hashes, and that the results have the same types: sizes known only at run time
// have a name of their own in each op.
func equal(a, b *ir.Op) bool {
	if ca, ok := a.Attrs.(*ir.ConstAttrs); ok && !sameConst(ca, b.Attrs.(*ir.ConstAttrs)) {
		return false
	}
	return slices.EqualFunc(a.Results, b.Results, func(v, w *ir.Value) bool {
		return a.Region.SameType(v.Type, w.Type)
	})
}

func sameConst(a, b *ir.ConstAttrs) bool {
	if read(a) && read(b) {
		return bytes.Equal(a.Bytes(), b.Bytes()) && slices.Equal(a.Strings, b.Strings)
	}
	return a.Blob == b.Blob && a.Off == b.Off && a.Len == b.Len
}

// table finds ops by what they compute.
type table struct {
	ids  map[*ir.Value]uint64
	ops  map[string]*ir.Op
	seed maphash.Seed
}

// add returns the op before this one with the same key, or op itself.
func (t *table) add(op *ir.Op) *ir.Op {
	k := t.key(op)
	if first, ok := t.ops[k]; ok {
		return first
	}
	t.ops[k] = op
	return op
}

// key is kind, operands and attributes.
func (t *table) key(op *ir.Op) string {
	ids := make([]uint64, len(op.Args))
	for i, a := range op.Args {
		ids[i] = t.id(a)
	}
	if commutes(op) {
		slices.Sort(ids)
	}
	b := binary.AppendUvarint(nil, uint64(op.Kind))
	for _, id := range ids {
		b = binary.AppendUvarint(b, id)
	}
	if c, ok := op.Attrs.(*ir.ConstAttrs); ok {
		return string(t.constKey(b, c))
	}
	return string(append(b, ir.FormatAttrs(op.Attrs)...))
}

// id numbers the values, from 1; an absent operand is 0.
func (t *table) id(v *ir.Value) uint64 {
	if v == nil {
		return 0
	}
	id, ok := t.ids[v]
	if !ok {
		id = uint64(len(t.ids) + 1)
		t.ids[v] = id
	}
	return id
}

// maxRead bounds the bytes of a constant in a blob that is compared by its contents. Larger ones are weights, which are not
// read at compile time: they are the same where they lie in the same place.
const maxRead = 1 << 10

func read(c *ir.ConstAttrs) bool { return c.Blob == nil || c.Len <= maxRead }

func (t *table) constKey(b []byte, c *ir.ConstAttrs) []byte {
	b = append(b, c.Type.String()...)
	if !read(c) {
		return fmt.Appendf(b, "%p %d %d", c.Blob, c.Off, c.Len)
	}
	b = binary.LittleEndian.AppendUint64(b, maphash.Bytes(t.seed, c.Bytes()))
	return binary.LittleEndian.AppendUint64(b, maphash.String(t.seed, strings.Join(c.Strings, "\x00")))
}

// commutes reports whether the order of the operands makes no difference to a single bit. Which zero min and max take
// of -0 and 0 may depend on it.
func commutes(op *ir.Op) bool {
	if !op.Kind.Is(ir.Commutative) {
		return false
	}
	return op.Kind != ir.Min && op.Kind != ir.Max || !op.Args[0].DType().IsFloat()
}
