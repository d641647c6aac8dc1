package ir

import "slices"

// closed checks a region's form: it ends in a yield and has a parameter for each operand that is bound to it.
func (c *Infer) closed(label string, r *Region, params int) bool {
	if r.Terminator() == nil || len(r.Params) != params {
		c.fail(Malformed, label, "%s: a region has %d parameters, wants %d, and must end in a yield", c.op.Kind, len(r.Params), params)
		return false
	}
	return true
}

// bound checks that a region's parameter has the type of the operand that it stands for.
func (c *Infer) bound(label string, p *Value, t Type) {
	if !c.region().SameType(p.Type, t) {
		c.fail(ShapeError, label, "%s: region parameter %s is bound to %s", c.op.Kind, p.Type, t)
	}
}

// outer are the symbols that the operands' types speak of: what a result's type may mention.
func (c *Infer) outer() map[Dim]bool {
	m := map[Dim]bool{}
	add := func(d Dim) { m[d] = true }
	for _, a := range c.op.Args {
		if a == nil {
			continue
		}
		for _, d := range slices.Concat([]Dim(a.Type.Shape), a.Sym) {
			d.Symbols(add)
		}
	}
	return m
}

// escaping replaces sizes that mention symbols of the region by Unknown.
func escaping(t Type, outer map[Dim]bool) Type {
	t.Shape = slices.Clone(t.Shape)
	for i, d := range t.Shape {
		if d == Unknown {
			continue
		}
		d.Symbols(func(s Dim) {
			if !outer[s] {
				t.Shape[i] = Unknown
			}
		})
	}
	return t
}

// yielded checks that region r yields n values that are there.
func (c *Infer) yielded(label string, r *Region, n int) bool {
	if len(r.Results()) != n || slices.Contains(r.Results(), nil) {
		c.fail(Malformed, label, "%s: a region yields %d values, wants %d", c.op.Kind, len(r.Results()), n)
		return false
	}
	return true
}

// join is the type that covers a and b, whose sizes may differ; ok is false where they differ in more.
func join(r *Region, a, b Type) (Type, bool) {
	if a.Kind != b.Kind || a.DType != b.DType || len(a.Shape) != len(b.Shape) {
		return Type{}, false
	}
	if a.Elem != nil {
		return JoinElems(a, b)
	}
	a.Shape = slices.Clone(a.Shape)
	for i := range a.Shape {
		if !r.SameDim(a.Shape[i], b.Shape[i]) {
			a.Shape[i] = Unknown
		}
	}
	return a, true
}

// oneElement reports whether v is a tensor of dtype d that can hold one element.
func oneElement(v *Value, d DType) bool {
	if !v.Type.IsTensor() || v.DType() != d || v.Rank() > 1 {
		return false
	}
	n, ok := v.Type.Shape.NumElements().Value()
	return !ok || n == 1
}

// captures is the number of op's operands before those that its regions capture, and of a region's parameters before
// the ones that stand for these.
func captures(k Kind, a Attrs) (args, params int) {
	switch a := a.(type) {
	case *LoopAttrs:
		return 2 + int(a.Carried), 2 + int(a.Carried)
	case *ScanAttrs:
		return int(a.Carried) + len(a.InputAxes), int(a.Carried) + len(a.InputAxes)
	}
	return 1, 0
}

// inferIf: if(cond, captures…) {then} {else}; both regions have a parameter for each capture. if_c1 a bool
// condition of one element, if_c2 two closed regions, if_c3 as many results, if_c4 of types that join.
func inferIf(c *Infer) {
	cond := c.arg(0)
	if !oneElement(cond, Bool) {
		c.fail(DTypeError, "if_c1", "condition of %s", cond.Type)
		return
	}
	if len(c.op.Regions) != 2 {
		c.fail(Malformed, "if_c2", "if with %d regions", len(c.op.Regions))
		return
	}
	for _, r := range c.op.Regions {
		if !c.closed("if_c2", r, len(c.op.Args)-1) {
			return
		}
		for i, p := range r.Params {
			c.bound("if_c2", p, c.op.Args[i+1].Type)
		}
	}
	a, b := c.op.Regions[0].Results(), c.op.Regions[1].Results()
	if !c.yielded("if_c3", c.op.Regions[1], len(a)) || !c.yielded("if_c3", c.op.Regions[0], len(b)) {
		return
	}
	outer := c.outer()
	for i := range a {
		t, ok := join(c.region(), a[i].Type, b[i].Type)
		if !ok {
			c.fail(ShapeError, "if_c4", "branches yield %s and %s as result %d", a[i].Type, b[i].Type, i)
			return
		}
		c.result(escaping(t, outer), nil)
	}
}

// inferLoop: loop(trip?, cond?, carried…, captures…) {(iter, cond, carried…, captures…) → (cond, carried…,
// scanned…)}. Results: the last carried values, then the scanned ones stacked on a new first axis. A carried size
// that may change has a symbol of its own as the parameter's. loop_c1 trip and cond, loop_c2 the region,
// loop_c3 carried types, loop_c4 scanned values are tensors.
func inferLoop(c *Infer) {
	n := int(c.op.Attrs.(*LoopAttrs).Carried)
	trip, cond := c.arg(0), c.arg(1)
	if trip != nil && !oneElement(trip, I64) || cond != nil && !oneElement(cond, Bool) {
		c.fail(DTypeError, "loop_c1", "loop over %s", c.operands())
		return
	}
	if len(c.op.Regions) != 1 || n < 0 || n > len(c.op.Args)-2 || !c.closed("loop_c2", c.op.Regions[0], len(c.op.Args)) {
		c.fail(Malformed, "loop_c2", "loop with %d regions and %d carried values", len(c.op.Regions), n)
		return
	}
	r := c.op.Regions[0]
	out := r.Results()
	if len(out) < 1+n || !c.yielded("loop_c2", r, len(out)) || !oneElement(out[0], Bool) {
		c.fail(Malformed, "loop_c2", "the loop body yields %d values, wants a bool, %d carried values and what is scanned", len(out), n)
		return
	}
	c.bound("loop_c2", r.Params[0], TensorOf(I64))
	c.bound("loop_c2", r.Params[1], TensorOf(Bool))
	for i := 2 + n; i < len(c.op.Args); i++ {
		c.bound("loop_c2", r.Params[i], c.op.Args[i].Type)
	}
	outer := c.outer()
	c.carried("loop_c3", c.op.Args[2:2+n], r.Params[2:2+n], out[1:1+n], outer)
	times := Unknown
	if trip != nil && cond == nil && trip.Sym != nil && trip.Sym[0] != Unknown && r.Results()[0] == r.Params[1] {
		times = trip.Sym[0].Max(Size(0))
	}
	for _, v := range out[1+n:] {
		if !v.Type.IsTensor() {
			c.fail(DTypeError, "loop_c4", "scanned value of %s", v.Type)
			return
		}
		t := escaping(v.Type, outer)
		c.result(TensorOf(t.DType, append(Shape{times}, t.Shape...)...), nil)
	}
}

// carried checks the types of loop-carried values and appends a result for each.
func (c *Infer) carried(label string, init, params, yields []*Value, outer map[Dim]bool) {
	for i, p := range params {
		t, ok := join(c.region(), init[i].Type, p.Type)
		u, ok2 := join(c.op.Regions[0], yields[i].Type, p.Type)
		if !ok || !ok2 {
			c.fail(ShapeError, label, "carried value %d is %s, then %s, then %s", i, init[i].Type, p.Type, yields[i].Type)
			return
		}
		if !p.Type.IsTensor() && !(t.Equal(p.Type) && u.Equal(p.Type)) { // the parameter's type covers what it gets
			c.fail(ShapeError, label, "carried value %d is %s, then %s, then %s", i, init[i].Type, p.Type, yields[i].Type)
			return
		}
		for k, d := range p.Type.Shape {
			fixed := d == init[i].Type.Shape[k] || d.Op() != DimSym
			if fixed && (t.Shape[k] == Unknown || u.Shape[k] == Unknown) {
				c.fail(ShapeError, label, "carried value %d is %s, then %s, then %s", i, init[i].Type, p.Type, yields[i].Type)
				return
			}
			if !fixed {
				t.Shape[k] = Unknown
			}
		}
		c.result(escaping(t, outer), nil)
	}
}

// inferScan: scan(carried…, inputs…, captures…) {(carried…, elements…, captures…) → (carried…, scanned…)}.
// scan_c1 the region and attributes, scan_c2 input axes and equal lengths, scan_c3 carried types, scan_c4 output axes.
func inferScan(c *Infer) {
	a := c.op.Attrs.(*ScanAttrs)
	n, m := int(a.Carried), len(a.InputAxes)
	if len(c.op.Regions) != 1 || n < 0 || m < 1 || n > len(c.op.Args)-m || len(a.InputReverse) != m || len(a.OutputAxes) != len(a.OutputRev) ||
		!c.closed("scan_c1", c.op.Regions[0], len(c.op.Args)) {
		c.fail(Malformed, "scan_c1", "scan with %d carried values and %d inputs", n, m)
		return
	}
	r := c.op.Regions[0]
	out := r.Results()
	if !c.yielded("scan_c1", r, n+len(a.OutputAxes)) {
		return
	}
	length := Unknown
	for i, axis := range a.InputAxes {
		x := c.arg(n + i)
		if !x.Type.IsTensor() || !c.axis("scan_c2", axis, x.Rank()) {
			c.fail(AttrError, "scan_c2", "scan over %s", x.Type)
			return
		}
		if i == 0 {
			length = x.Shape()[axis]
		}
		c.same("scan_c2", length, x.Shape()[axis], "lengths")
		c.bound("scan_c2", r.Params[n+i], TensorOf(x.DType(), reducedShape(x.Shape(), []int64{axis}, false)...))
	}
	for i := n + m; i < len(c.op.Args); i++ {
		c.bound("scan_c1", r.Params[i], c.op.Args[i].Type)
	}
	outer := c.outer()
	c.carried("scan_c3", c.op.Args[:n], r.Params[:n], out[:n], outer)
	for i, v := range out[n:] {
		if c.err != nil || !v.Type.IsTensor() || !c.axis("scan_c4", a.OutputAxes[i], v.Rank()+1) {
			c.fail(DTypeError, "scan_c4", "scanned value of %s", v.Type)
			return
		}
		t := escaping(v.Type, outer)
		c.tensor(t.DType, slices.Insert(slices.Clone(t.Shape), int(a.OutputAxes[i]), length))
	}
}

// inferDepends: depends(x, after). depends_c1 tensors.
func inferDepends(c *Infer) {
	x, after := c.arg(0), c.arg(1)
	if !x.Type.IsTensor() || !after.Type.IsTensor() {
		c.fail(DTypeError, "depends_c1", "depends of %s", c.operands())
		return
	}
	c.result(x.Type, nil)
}

// inferAssert: assert(x, ok). assert_c1 a tensor and a bool tensor.
func inferAssert(c *Infer) {
	x, ok := c.arg(0), c.arg(1)
	if !x.Type.IsTensor() || !ok.Type.IsTensor() || ok.DType() != Bool {
		c.fail(DTypeError, "assert_c1", "assert of %s", c.operands())
		return
	}
	c.result(x.Type, x.Sym)
}
