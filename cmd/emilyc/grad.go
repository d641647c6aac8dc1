package main

import (
	"fmt"

	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/grad"
	"github.com/spf13/cobra"
)

func newGrad(o *options) *cobra.Command {
	var f modelFlags
	var opts grad.Options
	var out, reduce, pipeline string
	var recompute int
	cmd := &cobra.Command{
		Use:   "grad MODEL --loss NAME --wrt NAMES",
		Short: "Make the program of a model's gradients",
		Long: `Grad makes the program that computes the gradients of an output of a model with respect to inputs and parameters.

It has the inputs of the model; its outputs are the loss, then NAME.grad for each name of --wrt. A parameter is a float initializer, called by
its name; 'params' stands for all of them (scalars, which hold epsilons and factors, are named one by one). The loss is a scalar,
is made one by --reduce, or gets an input for its cotangent by --cotangent.

OUT is a bundle (.safetensors), an ONNX model (.onnx) or the IR's text (.eir); without -o the text is printed.`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc grad model.onnx --loss loss --wrt params -o grad.safetensors
emilyc grad model.onnx --loss logits --reduce mean-square --wrt params,x
emilyc grad model.onnx --loss y --cotangent dy --wrt x -o grad.eir
emilyc verify grad.safetensors --lanes interp,mlx`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if opts.Reduce, err = grad.ParseReduction(reduce); err != nil {
				return wrongUse(cmd, "--reduce: %v", err)
			}
			if recompute < 0 || recompute == 1 {
				return wrongUse(cmd, "--recompute %d: wants a number of segments, 2 or more; 0 computes nothing again", recompute)
			}
			if len(opts.Wrt) == 0 {
				return wrongUse(cmd, "--wrt NAMES is missing")
			}
			pipe, err := passes.Pipeline(pipeline)
			if err != nil {
				return wrongUse(cmd, "--passes: %v", err)
			}
			form, err := programForm(cmd, out)
			if err != nil {
				return err
			}
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			opts.Value = true
			build := func(segments int) (*ir.Module, error) {
				opts.Recompute = segments
				g, err := grad.Build(l.module, opts)
				if err != nil {
					return nil, err
				}
				stats, err := passes.Run(g, pipe, passes.Options{Eval: interp.EvalOp, Verify: true})
				if o.verbose && err == nil && segments == recompute {
					cmd.PrintErr(stats)
				}
				return g, err
			}
			g, err := build(recompute)
			if err != nil {
				return err
			}
			if recompute > 0 {
				all, err := build(0)
				if err != nil {
					return err
				}
				cmd.PrintErrln(peaks(g, all))
			}
			switch {
			case out != "":
				return form.write(g, out, mlx.Options{})
			case o.json:
				return o.print(cmd, gradJSON(g), nil)
			}
			return printModule(cmd.OutOrStdout(), g)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&opts.Loss, "loss", "", "the output that is differentiated; may be left out where there is one")
	cmd.Flags().StringSliceVar(&opts.Wrt, "wrt", nil, "comma-separated inputs and parameters, or params")
	cmd.Flags().StringVar(&reduce, "reduce", "none", "make the loss a scalar: none, sum, mean or mean-square")
	cmd.Flags().StringVar(&opts.Cotangent, "cotangent", "", "add an input of this name: the cotangent of the loss")
	cmd.Flags().BoolVar(&opts.Outputs, "outputs", false, "keep the model's outputs, before the loss")
	cmd.Flags().IntVar(&recompute, "recompute", 0, "save memory: compute again what is inside of this many segments, and show the peak")
	cmd.Flags().StringVar(&pipeline, "passes", "default", "comma-separated passes to run then; none with an empty list")
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write: .safetensors, .onnx or .eir")
	return cmd
}

// peaks compares the memory of two programs, as their ops run in order.
func peaks(g, all *ir.Module) string {
	sizes, err := conformance.ChooseSizes(g.Main(), nil)
	if err != nil {
		return "peak of activations: not known, as sizes are not"
	}
	peak, most := peakActivation(g.Main(), sizes.Of), peakActivation(all.Main(), sizes.Of)
	text := fmt.Sprintf("peak of activations %s, %s when nothing is computed again", bytesText(peak), bytesText(most))
	if peak >= most {
		text += ": that saves nothing here"
	}
	if s := sizes.String(); s != "" {
		text += " (" + s + ")"
	}
	return text
}

type programJSON struct {
	Inputs  []portJSON `json:"inputs"`
	Outputs []portJSON `json:"outputs"`
}

func gradJSON(m *ir.Module) programJSON {
	p := programJSON{Inputs: []portJSON{}, Outputs: []portJSON{}}
	for _, v := range m.Main().Inputs() {
		p.Inputs = append(p.Inputs, portJSON{v.Name, v.Type.String()})
	}
	for i, v := range m.Main().Results() {
		p.Outputs = append(p.Outputs, portJSON{m.Main().Outputs[i], v.Type.String()})
	}
	return p
}
