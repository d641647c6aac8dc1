package emily

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// WithoutPadding has a decoder make its mask and positions itself: attention_mask[batch, past+new] is all ones and
// position_ids[batch, new] count on from the cache, as in mlx-lm, so that neither is an input any more. Attention is then
// causal without a mask, and rotary embeddings take one offset. Padded batches, and caches that are not the whole past, need
// the inputs.
//
// Load fails where no input has either name, or there is no cache (ir.Caches) that says how long the past is.
func WithoutPadding() LoadOption { return func(o *loadOptions) { o.unpadded = true } }

// padding are the names of the inputs that WithoutPadding makes, as Hugging Face has them.
var padding = []string{"attention_mask", "position_ids"}

// unpadding is a module whose inputs for padding become values.
type unpadding struct {
	module           *ir.Module
	main             *ir.Func
	batch, past, all ir.Dim
}

// withoutPadding changes m.
func withoutPadding(m *ir.Module) error {
	u := &unpadding{module: m, main: m.Main()}
	if err := u.measure(); err != nil {
		return err
	}
	gone := u.takeOut()
	if len(gone) == 0 {
		return u.err("no input is called "+strings.Join(padding, " or "), "")
	}
	imported := u.main.Body.Ops
	u.main.Body.Ops = nil
	sizes := map[ir.Dim]ir.Dim{}
	for _, p := range gone {
		if err := u.replace(p, sizes); err != nil {
			return err
		}
	}
	u.main.Body.Ops = append(u.main.Body.Ops, imported...)
	renameSizes(u.main.Body, sizes)
	return ir.Verify(m)
}

// measure reads the batch and the lengths off a cache, which passes bring to light.
func (u *unpadding) measure() error {
	m := u.module.Clone()
	pipeline, err := passes.Pipeline("shapes,simplify,dce")
	if err != nil {
		return err
	}
	if _, err := passes.Run(m, pipeline, passes.Options{Eval: interp.EvalOp}); err != nil {
		return err
	}
	for _, c := range ir.Caches(m.Main()) {
		if c.Axis > 0 {
			u.batch, u.past, u.all = c.Past.Shape()[0], c.Length(), c.Next()
			return nil
		}
	}
	return u.err("no output is an input with new elements behind it: no cache says how long the past is", "give the mask and the positions as inputs")
}

// takeOut removes the inputs for padding from the function, whose ops still use them.
func (u *unpadding) takeOut() (gone []*ir.Value) {
	var rest []*ir.Value
	for _, p := range u.main.Inputs() {
		if slices.Contains(padding, p.Name) {
			gone = append(gone, p)
			continue
		}
		p.Index = int32(len(rest))
		rest = append(rest, p)
	}
	u.main.Body.Params = rest
	return gone
}

// replace makes the input p a value, and notes what sizes are that no other input tells.
func (u *unpadding) replace(p *ir.Value, sizes map[ir.Dim]ir.Dim) error {
	shape, build := ir.Shape{u.batch, u.all}, ones
	if p.Name == "position_ids" {
		shape, build = ir.Shape{u.batch, u.all.Sub(u.past)}, u.positions
	}
	if p.Rank() != 2 || !p.DType().IsInt() && p.DType() != ir.Bool {
		return u.err(fmt.Sprintf("the input %q is %s, not integers for each sequence and token", p.Name, p.Type), "give it as an input")
	}
	for i, d := range p.Shape() {
		want, known := shape[i], sizes[d]
		switch {
		case i == 0 && u.told(d): // a cache may have heads on its first axis
			shape[0] = d
		case d.Op() == ir.DimSym && !u.told(d) && u.told(want) && (known.Is(0) || known == want):
			sizes[d] = want
		case !u.told(d) || !u.told(want) || !u.main.Body.Assume(ir.Fact{Rel: ir.EQ, A: d, B: want}):
			return u.err(fmt.Sprintf("size %s of the input %q cannot be %s", d, p.Name, want), "give it as an input")
		}
	}
	b := ir.NewBuilder(u.main.Body)
	v := b.Op(ir.Expand, nil, build(b, p.DType()), b.Dims(shape...))
	if b.Err() != nil {
		return b.Err()
	}
	p.ReplaceUses(v)
	return nil
}

// told reports whether the shapes of the other inputs say what all symbols of d are.
func (u *unpadding) told(d ir.Dim) bool {
	ok := true
	d.Symbols(func(s ir.Dim) {
		ok = ok && slices.ContainsFunc(u.main.Inputs(), func(p *ir.Value) bool { return slices.Contains(p.Shape(), s) })
	})
	return ok
}

func ones(b *ir.Builder, d ir.DType) *ir.Value {
	return b.Op(ir.Cast, &ir.CastAttrs{To: d}, b.Const(ir.Scalar(int64(1))))
}

// positions are those behind the past, for one sequence.
func (u *unpadding) positions(b *ir.Builder, d ir.DType) *ir.Value {
	at := func(size ir.Dim) *ir.Value {
		return b.Op(ir.Dims, &ir.DimsAttrs{Values: []ir.Dim{size}, Scalar: true})
	}
	return b.Op(ir.Cast, &ir.CastAttrs{To: d}, b.Op(ir.Range, nil, at(u.past), at(u.all), b.Const(ir.Scalar(int64(1)))))
}

func (u *unpadding) err(msg, remedy string) error {
	return &ir.Error{Kind: ir.ShapeError, Loc: ir.Loc{File: u.module.Name}, Msg: msg, Remedy: remedy}
}

// renameSizes replaces symbols by what they are in all that r says of sizes.
func renameSizes(r *ir.Region, sizes map[ir.Dim]ir.Dim) {
	facts := r.Facts.List
	r.Facts = ir.Facts{}
	for _, f := range facts {
		f.A, f.B = renamed(f.A, sizes), renamed(f.B, sizes)
		if proved, _ := r.Implied(f); !proved {
			r.AddFact(f)
		}
	}
	for _, p := range r.Params {
		renameOf(p, sizes)
	}
	for _, op := range r.Ops {
		switch a := op.Attrs.(type) {
		case *ir.DimsAttrs:
			op.Attrs = &ir.DimsAttrs{Values: allRenamed(a.Values, sizes), Scalar: a.Scalar}
		case *ir.SplitAttrs:
			op.Attrs = &ir.SplitAttrs{Axis: a.Axis, Sizes: allRenamed(a.Sizes, sizes)}
		}
		for _, v := range op.Results {
			renameOf(v, sizes)
		}
		for _, body := range op.Regions {
			renameSizes(body, sizes)
		}
	}
}

func renameOf(v *ir.Value, sizes map[ir.Dim]ir.Dim) {
	v.Type.Shape, v.Sym = allRenamed(v.Type.Shape, sizes), allRenamed(v.Sym, sizes)
}

func renamed(d ir.Dim, sizes map[ir.Dim]ir.Dim) ir.Dim {
	return d.Subst(func(atom ir.Dim) (ir.Dim, bool) { to, ok := sizes[atom]; return to, ok })
}

func allRenamed(dims []ir.Dim, sizes map[ir.Dim]ir.Dim) []ir.Dim {
	out := slices.Clone(dims)
	for i, d := range out {
		out[i] = renamed(d, sizes)
	}
	return out
}
