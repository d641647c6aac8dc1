package onnx

import (
	"strings"

	"github.com/emilyc/emily/ir"
)

var recurrentRows = []row{
	{"", "RNN", since(1, 7, 14, 22), recurrent(cell{gates: 1, states: 1, functions: []string{"Tanh"}, step: (*Node).rnnStep})},
	{"", "GRU", since(1, 3, 7, 14, 22), recurrent(cell{gates: 3, states: 1, functions: []string{"Sigmoid", "Tanh"}, step: (*Node).gruStep})},
	{"", "LSTM", since(1, 7, 14, 22), recurrent(cell{gates: 4, states: 2, functions: []string{"Sigmoid", "Tanh", "Tanh"}, step: (*Node).lstmStep})},
}

// cell is a recurrent operator: a scan over time of one step, for each direction.
type cell struct {
	gates, states int
	functions     []string // the activations that it has by default
	step          func(n *Node, c *cell, p stepParams) []*ir.Value
	activations   []func(n *Node, x *ir.Value) *ir.Value // of one direction
	clip          float64
	linear        bool // GRU: the reset gate comes after the product
	coupled       bool // LSTM: the forget gate is 1 less the input gate
}

// stepParams are what a step sees: the states [B, H], the operand times its weights [B, gates × H], and what stays the same.
type stepParams struct {
	states  []*ir.Value
	x       *ir.Value
	weights []*ir.Value // [H, …]; of GRU those of z and r, and those of h
	bias    *ir.Value   // of linear GRU, [gates × H]
	peep    *ir.Value   // of LSTM, [3 × H]
}

// recurrent imports a cell: x[T, B, I], w[D, gates × H, I], r[D, gates × H, H], b[D, 2 × gates × H], lengths[B], states[D, B, H].
// Layout 1 has the batch first. The products with w of all times are one.
func recurrent(c cell) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		c := c
		directions, layout := n.cellAttrs(&c)
		if !n.ok() {
			return nil
		}
		d := n.in[0].DType()
		for i, v := range n.in {
			if v != nil && v.DType() == d && d != ir.F64 {
				n.in[i] = n.cast(v, ir.F32)
			}
		}
		x, hidden := n.in[0], size(n.in[2], 2)
		if layout == 1 {
			x = n.transpose(x, 1, 0, 2)
		}
		if !n.cellShapes(&c, x, len(directions)) {
			return nil
		}
		mask := n.timeMask(n.arg(4), size(x, 0))
		var parts [3][]*ir.Value // y and the last states, of each direction
		for i, reverse := range directions {
			states := make([]*ir.Value, c.states)
			for k := range states {
				states[k] = n.initialState(n.arg(5+k), i, layout, size(x, 1), hidden)
			}
			each := c
			each.activations = c.activations[i*len(c.functions):][:len(c.functions)]
			results := n.runCell(&each, i, reverse, x, mask, states)
			if !n.ok() {
				return nil
			}
			parts[0] = append(parts[0], n.unsqueeze(results[c.states], 1))
			for k := range states {
				parts[1+k] = append(parts[1+k], n.unsqueeze(results[k], 0))
			}
		}
		return n.cellResults(&c, parts, layout, d)
	}
}

// cellAttrs reads the attributes: for each direction whether it is reversed, and the layout.
func (n *Node) cellAttrs(c *cell) (directions []int64, layout int64) {
	switch d := n.String("direction", "forward"); d {
	case "forward", "foward": // the second is the default of GRU-1
		directions = []int64{0}
	case "reverse":
		directions = []int64{1}
	case "bidirectional":
		directions = []int64{0, 1}
	default:
		n.fail(Invalid, "give forward, reverse or bidirectional", "direction %q", clip(d))
	}
	n.Int("hidden_size", 0) // that of the weights
	if n.since < 7 {
		n.Int("output_sequence", 0) // y may be left out, which outputs tell
	}
	if n.since >= 14 {
		layout = n.Int("layout", 0)
	}
	c.clip = float64(n.Float("clip", 0))
	c.linear = c.gates == 3 && n.since >= 3 && n.Int("linear_before_reset", 0) != 0
	c.coupled = c.gates == 4 && n.Int("input_forget", 0) != 0
	n.cellActivations(c, len(directions))
	return directions, layout
}

// cellActivations makes the activations of all directions; those that have parameters take them from the lists, in order.
func (n *Node) cellActivations(c *cell, directions int) {
	names := n.Strings("activations")
	if len(names) == 0 {
		for range directions {
			names = append(names, c.functions...)
		}
	}
	alphas, betas := n.Floats("activation_alpha"), n.Floats("activation_beta")
	if n.ok() && len(names) != directions*len(c.functions) {
		n.fail(Invalid, "give an activation for each gate and direction", "%d activations, must be %d", len(names), directions*len(c.functions))
	}
	take := func(list *[]float32, def float64) float64 {
		if len(*list) == 0 {
			return def
		}
		v := (*list)[0]
		*list = (*list)[1:]
		return float64(v)
	}
	for _, name := range names {
		a, ok := cellFunctions[strings.ToLower(name)]
		if !ok {
			n.fail(Invalid, "give an activation that ONNX names", "activation %q", clip(name))
			return
		}
		var p ir.AlphaAttrs
		if a.params > 0 {
			p.Alpha = take(&alphas, a.alpha)
		}
		if a.params > 1 {
			p.Beta = take(&betas, a.beta)
		}
		c.activations = append(c.activations, func(n *Node, x *ir.Value) *ir.Value { return a.make(n, x, &p) })
	}
}

// cellFunction is an activation, the number of its parameters and their defaults.
type cellFunction struct {
	params      int
	alpha, beta float64
	make        func(n *Node, x *ir.Value, p *ir.AlphaAttrs) *ir.Value
}

var cellFunctions = map[string]cellFunction{
	"relu":        plainFunction(ir.Relu),
	"tanh":        plainFunction(ir.Tanh),
	"sigmoid":     plainFunction(ir.Sigmoid),
	"softplus":    plainFunction(ir.Softplus),
	"leakyrelu":   {1, 0.01, 0, alphaFunction(ir.LeakyRelu)},
	"elu":         {1, 1, 0, alphaFunction(ir.Elu)},
	"hardsigmoid": {2, 0.2, 0.5, alphaFunction(ir.HardSigmoid)},
	"affine": {2, 1, 0, func(n *Node, x *ir.Value, p *ir.AlphaAttrs) *ir.Value {
		return n.op(ir.Add, nil, n.op(ir.Mul, nil, x, n.number(x.DType(), p.Alpha)), n.number(x.DType(), p.Beta))
	}},
	"scaledtanh": {2, 1, 1, func(n *Node, x *ir.Value, p *ir.AlphaAttrs) *ir.Value {
		return n.op(ir.Mul, nil, n.op(ir.Tanh, nil, n.op(ir.Mul, nil, x, n.number(x.DType(), p.Beta))), n.number(x.DType(), p.Alpha))
	}},
	"thresholdedrelu": {1, 1, 0, func(n *Node, x *ir.Value, p *ir.AlphaAttrs) *ir.Value {
		return n.op(ir.Where, nil, n.op(ir.Less, nil, n.number(x.DType(), p.Alpha), x), x, n.number(x.DType(), 0))
	}},
	"softsign": {0, 0, 0, func(n *Node, x *ir.Value, _ *ir.AlphaAttrs) *ir.Value {
		return n.op(ir.Div, nil, x, n.op(ir.Add, nil, n.op(ir.Abs, nil, x), n.number(x.DType(), 1)))
	}},
}

func plainFunction(k ir.Kind) cellFunction {
	return cellFunction{make: func(n *Node, x *ir.Value, _ *ir.AlphaAttrs) *ir.Value { return n.op(k, nil, x) }}
}

func alphaFunction(k ir.Kind) func(*Node, *ir.Value, *ir.AlphaAttrs) *ir.Value {
	return func(n *Node, x *ir.Value, p *ir.AlphaAttrs) *ir.Value { return n.op(k, ir.CloneAttrs(p), x) }
}

// cellShapes checks ranks and sizes of x, in time order, and of the weights.
func (n *Node) cellShapes(c *cell, x *ir.Value, directions int) bool {
	w, r := n.in[1], n.in[2]
	if n.ok() && (x.Rank() != 3 || w.Rank() != 3 || r.Rank() != 3 || n.arg(3) != nil && n.arg(3).Rank() != 2) {
		n.fail(Shape, "give x[T, B, I], w[D, G × H, I], r[D, G × H, H] and b[D, 2 × G × H]", "operands are %s, %s, %s", x.Type, w.Type, r.Type)
	}
	if !n.ok() {
		return false
	}
	rows := size(r, 2).Mul(ir.Size(int64(c.gates)))
	for _, v := range n.in[1:min(len(n.in), 4)] {
		if v != nil {
			n.sameSize(size(v, 0), ir.Size(int64(directions)))
		}
	}
	n.sameSize(size(w, 1), rows)
	n.sameSize(size(r, 1), rows)
	n.sameSize(size(w, 2), size(x, 2))
	if b := n.arg(3); b != nil {
		n.sameSize(size(b, 1), rows.Mul(ir.Size(2)))
	}
	return n.ok()
}

// timeMask is bool[T, B, 1]: the times that belong to each sequence; nil where all do.
func (n *Node) timeMask(lengths *ir.Value, times ir.Dim) *ir.Value {
	if lengths == nil {
		return nil
	}
	at := n.unsqueeze(n.count(n.dim(times)), 1)
	return n.unsqueeze(n.op(ir.Less, nil, at, n.unsqueeze(n.cast(lengths, ir.I64), 0)), 2)
}

// initialState is [B, H] for a direction: zeros where v is absent.
func (n *Node) initialState(v *ir.Value, direction int, layout int64, batch, hidden ir.Dim) *ir.Value {
	if v == nil {
		return n.op(ir.Expand, nil, n.number(n.in[0].DType(), 0), n.b.Dims(batch, hidden))
	}
	if v.Rank() != 3 {
		return n.fail(Invalid, "give [D, B, H]", "an initial state of %s", v.Type)
	}
	n.sameSize(size(v, int(1-layout)), batch)
	n.sameSize(size(v, 2), hidden)
	return n.at(v, layout, direction)
}

// at is element i along an axis.
func (n *Node) at(v *ir.Value, axis int64, i int) *ir.Value {
	if v == nil {
		return nil
	}
	return n.op(ir.Gather, &ir.AxisAttrs{Axis: axis}, v, n.b.Const(ir.Scalar(int64(i))))
}

// pieces splits v along an axis into parts that are times the hidden size.
func (n *Node) pieces(v *ir.Value, axis int64, hidden ir.Dim, parts ...int64) []*ir.Value {
	a := &ir.SplitAttrs{Axis: axis}
	for _, p := range parts {
		a.Sizes = append(a.Sizes, hidden.Mul(ir.Size(p)))
	}
	out := n.b.Ops(ir.Split, a, nil, v)
	for len(out) < len(parts) { // after an error
		out = append(out, &ir.Value{})
	}
	return out
}

// runCell scans one direction: the last states, and [T, B, H].
func (n *Node) runCell(c *cell, i int, reverse int64, x, mask *ir.Value, states []*ir.Value) []*ir.Value {
	hidden, gates := size(n.in[2], 2), int64(c.gates)
	xw := n.op(ir.MatMul, nil, x, n.transpose(n.at(n.in[1], 0, i), 1, 0))
	r := n.transpose(n.at(n.in[2], 0, i), 1, 0)
	fixed := stepParams{weights: []*ir.Value{r}}
	if c.gates == 3 && !c.linear {
		fixed.weights = n.pieces(r, 1, hidden, 2, 1)
	}
	if b := n.at(n.arg(3), 0, i); b != nil {
		halves := n.pieces(b, 0, hidden, gates, gates)
		xw = n.op(ir.Add, nil, xw, halves[0])
		if c.linear {
			fixed.bias = halves[1]
		} else {
			xw = n.op(ir.Add, nil, xw, halves[1])
		}
	}
	if c.gates == 4 {
		fixed.peep = n.at(n.arg(7), 0, i)
	}
	return n.scanCell(c, fixed, reverse, xw, mask, states)
}

// scanCell emits the scan. Operands: states, what is scanned, what is captured.
func (n *Node) scanCell(c *cell, fixed stepParams, reverse int64, xw, mask *ir.Value, states []*ir.Value) []*ir.Value {
	if !n.ok() {
		return nil
	}
	in, r := n.inRegion()
	var operands []*ir.Value
	param := func(v *ir.Value, scanned bool) *ir.Value {
		if v == nil {
			return nil
		}
		operands = append(operands, v)
		t := v.Type
		if scanned {
			t = ir.TensorOf(v.DType(), v.Shape()[1:]...)
		}
		return r.AddParam("", t)
	}
	p := stepParams{}
	for _, v := range states {
		p.states = append(p.states, param(v, false))
	}
	p.x = param(xw, true)
	keep := param(mask, true)
	scanned := len(operands) - len(states)
	for _, v := range fixed.weights {
		p.weights = append(p.weights, param(v, false))
	}
	p.bias, p.peep = param(fixed.bias, false), param(fixed.peep, false)
	next := c.step(in, c, p)
	y := next[0]
	if keep != nil {
		y = in.op(ir.Where, nil, keep, y, in.number(y.DType(), 0))
		for i, old := range p.states {
			next[i] = in.op(ir.Where, nil, keep, next[i], old)
		}
	}
	in.b.Yield(append(next, y)...)
	if err := in.b.Err(); err != nil {
		n.b.Fail(err)
		return nil
	}
	a := &ir.ScanAttrs{Carried: int64(len(states)), InputAxes: repeated(0, scanned), InputReverse: repeated(reverse, scanned), OutputAxes: []int64{0}, OutputRev: []int64{reverse}}
	return n.b.Ops(ir.Scan, a, []*ir.Region{r}, operands...)
}

// activate is activation i of the direction, of a clipped sum.
func (n *Node) activate(c *cell, i int, x *ir.Value) *ir.Value {
	if c.clip > 0 {
		x = n.op(ir.Max, nil, n.op(ir.Min, nil, x, n.number(x.DType(), c.clip)), n.number(x.DType(), -c.clip))
	}
	return c.activations[i](n, x)
}

// less1 is 1 - x.
func (n *Node) less1(x *ir.Value) *ir.Value { return n.op(ir.Sub, nil, n.number(x.DType(), 1), x) }

func (n *Node) rnnStep(c *cell, p stepParams) []*ir.Value {
	return one(n.activate(c, 0, n.op(ir.Add, nil, p.x, n.op(ir.MatMul, nil, p.states[0], p.weights[0]))))
}

// gruStep: gates z (update), r (reset) and h (hidden).
func (n *Node) gruStep(c *cell, p stepParams) []*ir.Value {
	h := p.states[0]
	hidden := size(h, 1)
	x := n.pieces(p.x, 1, hidden, 2, 1)
	product := n.op(ir.MatMul, nil, h, p.weights[0])
	var own *ir.Value // what the state adds to the hidden gate
	if c.linear {
		if p.bias != nil {
			product = n.op(ir.Add, nil, product, p.bias)
		}
		both := n.pieces(product, 1, hidden, 2, 1)
		product, own = both[0], both[1]
	}
	zr := n.pieces(n.activate(c, 0, n.op(ir.Add, nil, x[0], product)), 1, hidden, 1, 1)
	if c.linear {
		own = n.op(ir.Mul, nil, zr[1], own)
	} else {
		own = n.op(ir.MatMul, nil, n.op(ir.Mul, nil, zr[1], h), p.weights[1])
	}
	now := n.activate(c, 1, n.op(ir.Add, nil, x[1], own))
	return one(n.op(ir.Add, nil, n.op(ir.Mul, nil, n.less1(zr[0]), now), n.op(ir.Mul, nil, zr[0], h)))
}

// lstmStep: gates i (input), o (output), f (forget) and c (cell); i and f peep at the cell before, o at the cell after.
func (n *Node) lstmStep(c *cell, p stepParams) []*ir.Value {
	h, old := p.states[0], p.states[1]
	hidden := size(h, 1)
	g := n.pieces(n.op(ir.Add, nil, p.x, n.op(ir.MatMul, nil, h, p.weights[0])), 1, hidden, 1, 1, 1, 1)
	var peep []*ir.Value
	if p.peep != nil {
		peep = n.pieces(p.peep, 0, hidden, 1, 1, 1)
	}
	sees := func(gate int, state *ir.Value) *ir.Value {
		if peep == nil {
			return n.activate(c, 0, g[gate])
		}
		return n.activate(c, 0, n.op(ir.Add, nil, g[gate], n.op(ir.Mul, nil, peep[gate], state)))
	}
	input := sees(0, old)
	forget := n.less1(input)
	if !c.coupled {
		forget = sees(2, old)
	}
	now := n.op(ir.Add, nil, n.op(ir.Mul, nil, forget, old), n.op(ir.Mul, nil, input, n.activate(c, 1, g[3])))
	return []*ir.Value{n.op(ir.Mul, nil, sees(1, now), c.activations[2](n, now)), now}
}

// cellResults joins the directions: y[T, D, B, H] and states[D, B, H], or with layout 1 y[B, T, D, H] and states[B, D, H].
func (n *Node) cellResults(c *cell, parts [3][]*ir.Value, layout int64, d ir.DType) []*ir.Value {
	out := make([]*ir.Value, 1+c.states)
	for i := range out {
		axis := &ir.AxisAttrs{Axis: 1}
		if i > 0 {
			axis.Axis = 0
		}
		out[i] = parts[i][0]
		if len(parts[i]) > 1 {
			out[i] = n.op(ir.Concat, axis, parts[i]...)
		}
		if layout == 1 && i == 0 {
			out[i] = n.transpose(out[i], 2, 0, 1, 3)
		} else if layout == 1 {
			out[i] = n.transpose(out[i], 1, 0, 2)
		}
		out[i] = n.cast(out[i], d)
	}
	return out
}
