package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// decoding is Emily with a decoder: a session, whose cache stays on the device as mlx-lm's does.
type decoding struct {
	*local
	session *emily.Session
	prompt  []int64
	tokens  []int64 // of each step
}

// startDecoding makes the session, and writes what the cache holds after the prompt into the inputs that other engines get.
func startDecoding(l *local, names []string, past int) (*decoding, error) {
	session, err := l.exe.NewSession()
	if err != nil {
		return nil, err
	}
	d := &decoding{local: l, session: session, prompt: make([]int64, past)}
	for i := range d.prompt {
		d.prompt[i] = int64(7 * i % 1000)
	}
	d.tokens = slices.Clone(ir.View[int64](l.inputs[slices.Index(names, "input_ids")].(*ir.Tensor)))
	return d, d.fillPast(names)
}

// fillPast runs the prompt without a session.
func (d *decoding) fillPast(names []string) error {
	if len(d.prompt) == 0 {
		return nil
	}
	in := step(d.prompt)
	for _, p := range d.exe.Inputs() {
		if at := slices.Index(names, p.Name); in[p.Name] == nil {
			s := slices.Clone(d.inputs[at].(*ir.Tensor).Shape)
			s[2] = 0
			in[p.Name] = ir.NewTensor(ir.F32, s...)
		}
	}
	out, err := d.exe.Run(context.Background(), in)
	if err != nil {
		return err
	}
	for _, p := range d.exe.Outputs()[1:] {
		at := slices.Index(names, strings.Replace(p.Name, "present", "past_key_values", 1))
		if at < 0 {
			return fmt.Errorf("output %q continues no input: present.* wants to continue past_key_values.*", p.Name)
		}
		d.inputs[at] = out[p.Name]
	}
	return nil
}

// step are the inputs for tokens: without padding, there are no others.
func step(tokens []int64) map[string]ir.Datum {
	return map[string]ir.Datum{"input_ids": ir.TensorFrom(tokens, 1, len(tokens))}
}

// run makes n steps that follow one another after the prompt; a prefill begins anew each time.
func (d *decoding) run(n int) (seconds []float64, err error) {
	ctx := context.Background()
	for i := range n {
		if i == 0 || len(d.prompt) == 0 {
			d.session.Reset()
		}
		if i == 0 && len(d.prompt) > 0 {
			if _, err := d.session.Run(ctx, step(d.prompt)); err != nil {
				return nil, err
			}
		}
		in := step(d.tokens)
		start := time.Now()
		out, err := d.session.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(start).Seconds())
		if i == 0 {
			d.last = out[d.exe.Outputs()[0].Name].(*ir.Tensor)
		}
	}
	return seconds, nil
}
