package ir

import "testing"

func TestSmoke(t *testing.T) {
	m := NewModule("t.onnx")
	f := m.NewFunc("main")
	s := Sym("seq")
	x := f.Body.AddParam("x.0", TensorOf(F32, Sym("batch"), s, Size(8)))
	y := f.Body.AddParam("y", TensorOf(F32, Sym("b2"), s, Size(8)))
	b := NewBuilder(f.Body)
	b.Loc = m.AddLoc(Loc{File: "t.onnx", Node: "/n", OpType: "Add", Opset: 17})
	z := b.Op(Add, nil, x, y)
	sh := b.Op(ShapeOf, nil, z)
	g := b.Op(Gather, &AxisAttrs{}, sh, b.Ints(0, 1))
	tgt := b.Op(Concat, &AxisAttrs{}, g, b.Ints(2, 4))
	r := b.Op(Reshape, &ReshapeAttrs{}, z, tgt)
	sl := b.Op(Slice, &SliceAttrs{Axes: []int64{1}, Steps: []int64{1}}, r, b.Ints(0), b.Ints(-1))
	c := f.Body.AddParam("c", TensorOf(Bool))
	th, el := f.Body.NewRegion(), f.Body.NewRegion()
	for i, q := range []*Region{th, el} {
		p := q.AddParam("", sl.Type)
		bb := NewBuilder(q)
		v := p
		if i == 1 {
			v = bb.Op(Neg, nil, p)
		}
		bb.Yield(v)
		if bb.Err() != nil {
			t.Fatal(bb.Err())
		}
	}
	w := b.Ops(If, nil, []*Region{th, el}, c, sl)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Yield(r, w[0])
	f.Outputs = []string{"r", "w 0"}
	if err := Verify(m); err != nil {
		t.Fatal(err)
	}
	text := m.String()
	t.Log("\n" + text)
	m2, err := Parse(text, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m2.String(); got != text {
		t.Fatal(got)
	}
	if got := m.Clone().String(); got != text {
		t.Fatal(got)
	}
}
