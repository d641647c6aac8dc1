package runtime_test

import (
	"math"

	"github.com/emilyc/emily/ir"
)

func elementwiseCases() []diffCase {
	var cs []diffCase
	add := func(c diffCase) { cs = append(cs, c) }
	floatOps := []ir.Kind{ir.Abs, ir.Neg, ir.Sign, ir.Ceil, ir.Floor, ir.Round, ir.Sqrt, ir.Rsqrt, ir.Reciprocal, ir.Exp, ir.Log,
		ir.Sin, ir.Cos, ir.Tan, ir.Asin, ir.Acos, ir.Atan, ir.Sinh, ir.Cosh, ir.Tanh, ir.Asinh, ir.Acosh, ir.Atanh, ir.Erf,
		ir.IsNaN, ir.Sigmoid, ir.Relu, ir.Softplus, ir.Silu, ir.HardSwish, ir.Mish, ir.StopGradient}
	for _, d := range floatTypes {
		for _, k := range floatOps {
			add(op(k, nil, edges(d)))
		}
		up := tensorOf(d, []float64{1, -2, 0.5}, 3, 1)
		for _, approximate := range []string{"", "tanh", "sigmoid"} {
			add(op(ir.Gelu, &ir.GeluAttrs{Approximate: approximate}, edges(d)))
			add(op(ir.GLU, &ir.GLUAttrs{Activation: "gelu", Approximate: approximate}, edges(d), up))
		}
		add(op(ir.GLU, &ir.GLUAttrs{Activation: "silu"}, edges(d), up))
		for _, a := range []float64{0.1, 1, 2, -0.5, 0} {
			add(op(ir.LeakyRelu, &ir.AlphaAttrs{Alpha: a}, edges(d)))
			add(op(ir.Elu, &ir.AlphaAttrs{Alpha: a}, edges(d)))
			add(op(ir.HardSigmoid, &ir.AlphaAttrs{Alpha: a, Beta: 0.5}, edges(d)))
		}
		for i := range 4 {
			add(op(ir.IsInf, &ir.IsInfAttrs{Negative: i&1 == 1, Positive: i&2 == 2}, edges(d)))
		}
		for _, k := range []ir.Kind{ir.Add, ir.Sub, ir.Mul, ir.Div, ir.Pow, ir.Min, ir.Max, ir.Equal, ir.Less, ir.LessEqual} {
			add(op(k, nil, pairs(d, d)...))
		}
		for _, fmod := range []bool{false, true} {
			add(op(ir.Mod, &ir.ModAttrs{Fmod: fmod}, floatMod(d)...))
		}
		add(op(ir.Pow, nil, pairs(d, ir.I64)...))
		add(op(ir.Pow, nil, edges(d), scalar(d, 2)))
		add(op(ir.Pow, nil, edges(d), scalar(ir.I32, 3)))
	}
	for _, d := range intTypes {
		for _, k := range []ir.Kind{ir.Abs, ir.Neg, ir.Sign, ir.Relu, ir.BitNot} {
			add(op(k, nil, edges(d)))
		}
		for _, k := range []ir.Kind{ir.Add, ir.Sub, ir.Mul, ir.Min, ir.Max, ir.Equal, ir.Less, ir.LessEqual, ir.BitAnd, ir.BitOr, ir.BitXor} {
			add(op(k, nil, pairs(d, d)...))
		}
		for _, k := range []ir.Kind{ir.Div, ir.Mod} {
			for _, a := range []ir.Attrs{&ir.ModAttrs{}, &ir.ModAttrs{Fmod: true}} {
				if k == ir.Div {
					a = nil
				}
				add(op(k, a, nonZero(pairs(d, d))...))
				add(op(k, a, edges(d), scalar(d, 3)))
				add(op(k, a, pairs(d, d)...)) // has 0 as a divisor: an error
			}
		}
		add(op(ir.Pow, nil, edges(d), tensorOf(d, []float64{0, 1, 2, 3, 5}, 5, 1)))
		add(op(ir.Pow, nil, nonZero([]*ir.Tensor{nil, edges(d)})[1], tensorOf(ir.I64, []float64{0, 1, -1, -2, -3, 5}, 6, 1)))
		add(op(ir.Pow, nil, tensorOf(d, []float64{1, 2, 3, 9}), floats(0.5, 2, 1.5, 0.5)))
		for _, k := range []ir.Kind{ir.ShiftLeft, ir.ShiftRight} {
			add(op(k, nil, edges(d), tensorOf(d, []float64{0, 1, 3, 7, 8, 31, 64, 100}, 8, 1)))
			add(op(k, nil, edges(d), scalar(d, 2)))
		}
	}
	boolean := pairs(ir.Bool, ir.Bool)
	for _, k := range []ir.Kind{ir.And, ir.Or, ir.Xor, ir.Equal} {
		add(op(k, nil, boolean...))
	}
	add(op(ir.Not, nil, edges(ir.Bool)))
	all := append(append([]ir.DType{ir.Bool}, floatTypes...), intTypes...)
	for _, from := range all {
		for _, to := range all {
			add(op(ir.Cast, &ir.CastAttrs{To: to}, edges(from)))
		}
		for _, to := range []ir.DType{ir.I4, ir.U4, ir.I2, ir.U2} {
			add(op(ir.Cast, &ir.CastAttrs{To: to}, edges(from)))
			add(op(ir.Cast, &ir.CastAttrs{To: from}, tensorOf(to, []float64{0, 1, 1})))
		}
		add(op(ir.Where, nil, random(ir.Bool, 3, 1), random(from, 4), random(from, 3, 4)))
	}
	wide := floats(1e9, 3e9, -3e9, 1e10, 1e19, -1e19, 1e30, math.NaN(), 255, 256, 300, -1, -129, 70000, math.Inf(1))
	wide = tensorOf(ir.F32, append(append(values(wide), values(wide)...), values(wide)...))
	for _, to := range intTypes {
		add(op(ir.Cast, &ir.CastAttrs{To: to}, wide))
	}
	for _, from := range []ir.DType{ir.F8E4M3FN, ir.F8E5M2, ir.F8E4M3FNUZ, ir.F8E5M2FNUZ, ir.F8E8M0, ir.F6E2M3, ir.F6E3M2, ir.F4E2M1} {
		t := ir.NewTensor(from, 1<<from.Bits())
		for i := range t.Data {
			t.Data[i] = byte(i)
		}
		for _, to := range []ir.DType{ir.F32, ir.BF16, ir.I32} {
			add(op(ir.Cast, &ir.CastAttrs{To: to}, t))
		}
	}
	// every f16 and some of every binade of f32, to every small float
	halves := ir.NewTensor(ir.F16, 1<<16)
	for i := range ir.View[uint16](halves) {
		ir.View[uint16](halves)[i] = uint16(i)
	}
	singles := ir.NewTensor(ir.F32, 1<<14)
	for i := range ir.View[uint32](singles) {
		ir.View[uint32](singles)[i] = uint32(i)<<18 | uint32(i%3)
	}
	// ties of small floats, and their neighbours that f32 does not tell from them
	var near []float64
	for _, v := range []float64{1.0625, 1.1875, 1.125, 1.375, 0.25, 2.5, 5, 6, 464, 57344, 61440, 3 * 0x1p-11, 0x1p-10, 3 * 0x1p-18, 3 * 0x1p-128, 0x1p-127, 1.5, 0x1p130, 1e300} {
		near = append(near, v, math.Nextafter(v, 0), math.Nextafter(v, math.Inf(1)), -v, -math.Nextafter(v, 0))
	}
	doubles := tensorOf(ir.F64, near)
	for _, to := range []ir.DType{ir.F8E4M3FN, ir.F8E5M2, ir.F8E4M3FNUZ, ir.F8E5M2FNUZ, ir.F6E2M3, ir.F6E3M2, ir.F4E2M1} {
		for _, saturate := range []bool{false, true} {
			for _, x := range []*ir.Tensor{halves, singles, edges(ir.BF16), edges(ir.I8), edges(ir.I64), edges(ir.U32), edges(ir.F64), doubles, edges(ir.Bool)} {
				add(op(ir.Cast, &ir.CastAttrs{To: to, Saturate: saturate}, x))
			}
		}
	}
	for _, round := range []string{"", "nearest", "up", "down"} {
		for _, x := range []*ir.Tensor{halves, singles, edges(ir.BF16), edges(ir.I8), edges(ir.F64), doubles, edges(ir.Bool)} {
			add(op(ir.Cast, &ir.CastAttrs{To: ir.F8E8M0, Round: round}, x))
		}
	}
	for _, shapes := range [][2][]int{{{2, 3}, {3}}, {{2, 1, 3}, {4, 1}}, {{}, {2, 2}}, {{0, 3}, {3}}, {{1}, {0}}, {{2, 3, 4, 5}, {4, 1}}} {
		add(op(ir.Add, nil, random(ir.F32, shapes[0]...), random(ir.F32, shapes[1]...)))
		add(op(ir.Less, nil, random(ir.I64, shapes[0]...), random(ir.I64, shapes[1]...)))
	}
	return cs
}

func floatMod(d ir.DType) []*ir.Tensor {
	a := tensorOf(d, []float64{0, 1, -1, 5.5, -5.5, 7, -7, 0.25, math.NaN()}, 9, 1)
	return []*ir.Tensor{a, tensorOf(d, []float64{1, -1, 2, -2, 3.5, -3.5, 0.75})}
}

func nonZero(ts []*ir.Tensor) []*ir.Tensor {
	v := values(ts[1])
	for i := range v {
		if v[i] == 0 {
			v[i] = 5
		}
	}
	return []*ir.Tensor{ts[0], tensorOf(ts[1].DType, v, ts[1].Shape...)}
}
