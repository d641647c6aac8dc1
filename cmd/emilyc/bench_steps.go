package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes"
	"github.com/spf13/cobra"
)

// stepsJSON compares steps of a decoder whose past is an input with those of a session, which keeps it.
type stepsJSON struct {
	Prompt   int       `json:"prompt"` // tokens of the first step
	Steps    int       `json:"steps"`  // of one token, after it
	Explicit stepTimes `json:"past_as_inputs"`
	Session  stepTimes `json:"session"`
}

type stepTimes struct {
	Prompt float64 `json:"prompt_s"`
	P50    float64 `json:"p50_s"`
	P90    float64 `json:"p90_s"`
	Memory int64   `json:"peak_mlx_bytes,omitempty"`
}

// benchedSteps are the steps to measure.
type benchedSteps struct {
	prompt, count int
	seed          uint64
}

// benchSteps runs the same steps in both ways, each by itself.
func benchSteps(cmd *cobra.Command, l *loaded, exe *emily.Executable, b benchedSteps) (*stepsJSON, error) {
	d, err := newDecoder(l.module, b.seed)
	if err != nil {
		return nil, err
	}
	r := &stepsJSON{Prompt: b.prompt, Steps: b.count}
	inputs := make([][]ir.Datum, 0, 1+b.count)
	r.Explicit, err = timeSteps(1+b.count, func(i int) (time.Duration, error) {
		all, err := d.inputs(i, tokens(i, b.prompt))
		if err != nil {
			return 0, err
		}
		inputs = append(inputs, d.withoutCaches(all))
		start := time.Now()
		out, err := exe.RunOrdered(cmd.Context(), all)
		took := time.Since(start)
		if err == nil {
			d.keep(out)
		}
		return took, err
	})
	if err != nil {
		return nil, err
	}
	s, err := exe.NewSession()
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	r.Session, err = timeSteps(1+b.count, func(i int) (time.Duration, error) {
		start := time.Now()
		_, err := s.RunOrdered(cmd.Context(), inputs[i])
		return time.Since(start), err
	})
	return r, err
}

// tokens is how many tokens step i has.
func tokens(i, prompt int) int {
	if i == 0 {
		return prompt
	}
	return 1
}

func timeSteps(n int, step func(i int) (time.Duration, error)) (stepTimes, error) {
	measured := runtime.ResetMemory() == nil
	var r stepTimes
	var times []float64
	for i := range n {
		took, err := step(i)
		if err != nil {
			return r, fmt.Errorf("step %d: %w", i, err)
		}
		if i == 0 {
			r.Prompt = took.Seconds()
		} else {
			times = append(times, took.Seconds())
		}
	}
	slices.Sort(times)
	r.P50, r.P90 = quantile(times, 0.5), quantile(times, 0.9)
	if m, err := runtime.Memory(); measured && err == nil {
		r.Memory = m.Peak
	}
	return r, nil
}

// decoder makes the inputs of steps.
type decoder struct {
	f      *ir.Func
	caches []ir.Cache // of f as optimised, which has the same inputs and outputs
	count  ir.Dim     // the number of new tokens
	seed   uint64
	past   map[string]ir.Datum
}

func newDecoder(m *ir.Module, seed uint64) (*decoder, error) {
	optimised := m.Clone()
	if _, err := passes.Run(optimised, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		return nil, err
	}
	d := &decoder{f: m.Main(), caches: ir.Caches(optimised.Main()), seed: seed, past: map[string]ir.Datum{}}
	for _, c := range d.caches {
		if n := c.Next().Sub(c.Length()); n.Op() == ir.DimSym {
			d.count = n
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s: no output is an input with the new tokens' elements behind it: there are no steps to measure", m.Name)
}

// inputs are those of step i, which has n tokens.
func (d *decoder) inputs(i, n int) ([]ir.Datum, error) {
	sizes := map[ir.Dim]int64{d.count: int64(n)}
	if i == 0 {
		for _, c := range d.caches {
			sizes[c.Length()] = 0
		}
	}
	list, _, err := conformance.MakeInputs(d.f, conformance.InputOptions{Seed: d.seed + uint64(i), Given: d.past, Sizes: sizes})
	return list, err
}

// keep has the outputs of a step be inputs of the next.
func (d *decoder) keep(outputs []ir.Datum) {
	for _, c := range d.caches {
		d.past[d.f.Inputs()[c.Input].Name] = outputs[c.Output]
	}
}

func (d *decoder) withoutCaches(inputs []ir.Datum) []ir.Datum {
	isCache := make([]bool, len(inputs))
	for _, c := range d.caches {
		isCache[c.Input] = true
	}
	var out []ir.Datum
	for i, v := range inputs {
		if !isCache[i] {
			out = append(out, v)
		}
	}
	return out
}

func (s *stepsJSON) print(w *writer) {
	w.printf("\na prompt of %d tokens, then %d steps of one\n", s.Prompt, s.Steps)
	rows := [][]string{{"", "prompt", "p50", "p90", "MLX peak"}}
	for _, r := range []struct {
		name string
		stepTimes
	}{{"past as inputs", s.Explicit}, {"session", s.Session}} {
		rows = append(rows, []string{r.name, fmt.Sprintf("%.3f ms", 1e3*r.stepTimes.Prompt), fmt.Sprintf("%.3f ms", 1e3*r.P50), fmt.Sprintf("%.3f ms", 1e3*r.P90), bytesText(r.Memory)})
	}
	w.table(rows)
}
