package fuse

import (
	"math"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var activationRules = []rewrite.Rule{
	fusion("gelu", "gelu", "x · (1 + erf(x/√2)) / 2, x · (1 + tanh(√(2/π) · (x + 0.044715x³))) / 2, x · sigmoid(1.702x): gelu", gelu, ir.Mul, ir.Div),
	fusion("silu", "silu", "x · sigmoid(x): silu", silu, ir.Mul, ir.Div),
	fusion("glu", "glu", "silu(x) · y, gelu(x) · y: glu", glu, ir.Mul),
	fusion("mish", "mish", "x · tanh(softplus(x)): mish", mish, ir.Mul),
	fusion("softplus", "softplus", "log(1 + exp(x)): softplus", softplus, ir.Log),
	fusion("softplus", "softplus-threshold", "softplus(x), x itself above a number from which it is softplus(x) rounded: softplus", softplusThreshold, ir.Where),
	fusion("hard_swish", "hard-swish", "x · clip(x/6 + 1/2, 0, 1): hard_swish", hardSwish, ir.Mul, ir.Div),
}

// The forms of gelu: by erf, by tanh with the cubic term inside or taken out, and by sigmoid.
var (
	geluErf  = times(0.5, to{1, only(op(ir.Add, number(1), only(op(ir.Erf, times(math.Sqrt2/2, to{1, is("x")})))))}, to{1, is("x")})
	geluTanh = times(0.5, to{1, only(op(ir.Add, number(1), only(op(ir.Tanh, either(tanhCube, tanhSquare)))))}, to{1, is("x")})

	tanhCube   = times(math.Sqrt(2/math.Pi), to{1, op(ir.Add, times(0.044715, to{3, is("x")}), is("x"))})
	tanhSquare = times(math.Sqrt(2/math.Pi), to{1, op(ir.Add, times(0.044715, to{2, is("x")}), number(1))}, to{1, is("x")})

	geluSigmoid = times(1, to{1, only(op(ir.Sigmoid, times(1.702, to{1, is("x")})))}, to{1, is("x")})
)

func gelu(m *match, o *ir.Op) *ir.Value {
	switch {
	case m.find(geluErf, o.Result()):
		return m.Op(ir.Gelu, &ir.GeluAttrs{}, m.get("x"))
	case m.find(geluTanh, o.Result()):
		return m.Op(ir.Gelu, &ir.GeluAttrs{Approximate: "tanh"}, m.get("x"))
	case m.find(geluSigmoid, o.Result()):
		return m.Op(ir.Gelu, &ir.GeluAttrs{Approximate: "sigmoid"}, m.get("x"))
	}
	return nil
}

var siluForm = times(1, to{1, only(op(ir.Sigmoid, is("x")))}, to{1, is("x")})

func silu(m *match, o *ir.Op) *ir.Value {
	if !m.find(siluForm, o.Result()) {
		return nil
	}
	return m.Op(ir.Silu, nil, m.get("x"))
}

// glu: an activation that only a product with another value uses.
func glu(m *match, o *ir.Op) *ir.Value {
	for i, gate := range o.Args {
		a := rewrite.Def(gate, ir.Silu, ir.Gelu)
		if a == nil {
			continue
		}
		m.meet(a)
		up := o.Args[1-i]
		switch _, constant := rewrite.Splat(up); {
		case !gate.HasOneUse():
			m.no(gate, "is used elsewhere too")
		case constant:
			m.no(up, "is a constant factor")
		default:
			attrs := &ir.GLUAttrs{Activation: a.Kind.String()}
			if gelu, ok := a.Attrs.(*ir.GeluAttrs); ok {
				attrs.Approximate = gelu.Approximate
			}
			return m.Op(ir.GLU, attrs, a.Args[0], up)
		}
	}
	return nil
}

var mishForm = times(1, to{1, only(op(ir.Tanh, op(ir.Softplus, is("x"))))}, to{1, is("x")})

func mish(m *match, o *ir.Op) *ir.Value {
	if !m.find(mishForm, o.Result()) {
		return nil
	}
	return m.Op(ir.Mish, nil, m.get("x"))
}

var softplusForm = op(ir.Log, only(op(ir.Add, only(op(ir.Exp, is("x"))), number(1))))

func softplus(m *match, o *ir.Op) *ir.Value {
	if !m.find(softplusForm, o.Result()) {
		return nil
	}
	return m.Op(ir.Softplus, nil, m.get("x"))
}

// softplusThreshold: softplus(x) - x is less than exp(-x).
func softplusThreshold(m *match, o *ir.Op) *ir.Value {
	x, y := o.Args[1], rewrite.Def(o.Args[2], ir.Softplus)
	over := rewrite.Def(o.Args[0], ir.Less)
	if y == nil || over == nil {
		return nil
	}
	m.meet(y)
	switch c, ok := rewrite.Splat(over.Args[0]); {
	case y.Args[0] != x || over.Args[1] != x:
		m.no(x, "is not what the softplus is of")
	case !ok || c <= 0 || math.Exp(-c) > c*rounding(x.DType()):
		m.no(over.Args[0], "is no number above which x is its own softplus in %s", x.DType())
	default:
		return y.Result()
	}
	return nil
}

// clipped is p between lo and hi.
func clipped(lo, hi float64, p pat) pat {
	return either(
		op(ir.Min, only(op(ir.Max, p, number(lo))), number(hi)),
		op(ir.Max, only(op(ir.Min, p, number(hi))), number(lo)))
}

var hardSwishForm = either(
	times(1, to{1, only(where(op(ir.HardSigmoid, is("x")), "has another slope or offset", isSixthRamp))}, to{1, is("x")}),
	times(1.0/6, to{1, only(clipped(0, 6, op(ir.Add, is("x"), number(3))))}, to{1, is("x")}))

// isSixthRamp reports whether o is clip(x/6 + 1/2, 0, 1).
func isSixthRamp(_ *match, o *ir.Op) bool {
	a := o.Attrs.(*ir.AlphaAttrs)
	return near(a.Alpha, 1.0/6, o.Result().DType(), 1) && a.Beta == 0.5
}

func hardSwish(m *match, o *ir.Op) *ir.Value {
	if !m.find(hardSwishForm, o.Result()) {
		return nil
	}
	return m.Op(ir.HardSwish, nil, m.get("x"))
}
