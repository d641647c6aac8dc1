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
	in, inputs := step(d.prompt, 0), make([]ir.Datum, len(names))
	for i, name := range names {
		if inputs[i] = in[name]; in[name] == nil {
			s := slices.Clone(d.inputs[i].(*ir.Tensor).Shape)
			s[2] = 0
			inputs[i] = ir.NewTensor(ir.F32, s...)
		}
	}
	out, err := d.exe.RunOrdered(context.Background(), inputs)
	if err != nil {
		return err
	}
	for k, p := range d.exe.Outputs()[1:] {
		at := slices.Index(names, strings.Replace(p.Name, "present", "past_key_values", 1))
		if at < 0 {
			return fmt.Errorf("output %q continues no input: present.* wants to continue past_key_values.*", p.Name)
		}
		d.inputs[at] = out[k+1]
	}
	return nil
}

// step are the inputs for tokens behind past ones.
func step(tokens []int64, past int) map[string]ir.Datum {
	ones, at := make([]int64, past+len(tokens)), make([]int64, len(tokens))
	for i := range ones {
		ones[i] = 1
	}
	for i := range at {
		at[i] = int64(past + i)
	}
	return map[string]ir.Datum{
		"input_ids": ir.TensorFrom(tokens, 1, len(tokens)), "attention_mask": ir.TensorFrom(ones, 1, len(ones)), "position_ids": ir.TensorFrom(at, 1, len(at)),
	}
}

// run makes n steps that follow one another after the prompt; a prefill begins anew each time.
func (d *decoding) run(n int) (seconds []float64, err error) {
	ctx := context.Background()
	for i := range n {
		if i == 0 || len(d.prompt) == 0 {
			d.session.Reset()
		}
		if i == 0 && len(d.prompt) > 0 {
			if _, err := d.session.Run(ctx, step(d.prompt, 0)); err != nil {
				return nil, err
			}
		}
		in := step(d.tokens, d.session.Len())
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
