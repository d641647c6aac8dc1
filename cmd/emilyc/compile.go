package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/spf13/cobra"
)

// emitter writes a compiled module in one of the forms.
type emitter struct {
	name, ext, doc string
	write          func(m *ir.Module, path string, opts mlx.Options) error
}

var emitters = []emitter{
	{"bundle", ".safetensors", "one .safetensors with weights and program, which every verb reads", emitBundle},
	{"ir", ".eir", "the IR's text; weights stay in the model's files, which it names relative to itself", emitIR},
	{"plan", ".plan", "the text of the MLX calls", emitPlan},
	{"session", ".plan", "the text of the MLX calls of a session, which keeps the caches of a decoder", emitSession},
	{"python", ".py", "a Python program over MLX", emitPython},
	{"onnx", ".onnx", "an ONNX model, with large weights in OUT.data", emitONNX},
}

func newCompile(o *options) *cobra.Command {
	var f modelFlags
	var out, emit, fallback, pipeline, device string
	var precision ir.DType
	cmd := &cobra.Command{
		Use:   "compile MODEL -o OUT",
		Short: "Compile a model to a bundle, a plan, or a program",
		Long:  "Compile imports a model, runs the passes, and writes the outcome. OUT is replaced when all is written.\nIts ending says in which form, unless --emit does:\n\n",
		Args:  needs(1, 1, "MODEL"),
		Example: `emilyc compile model.onnx -o model.safetensors
emilyc compile model.onnx -o model.plan
emilyc compile model.onnx -o model.py -d batch=1
emilyc compile model.onnx --emit session -o session.plan`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return wrongUse(cmd, "-o OUT is missing")
			}
			e, err := findEmitter(cmd, emit, out)
			if err != nil {
				return err
			}
			policy, err := emily.ParseFallback(fallback)
			if err != nil {
				return wrongUse(cmd, "--%v", err)
			}
			pipe, err := pipelineOf(cmd, pipeline, precision)
			if err != nil {
				return err
			}
			if device != string(mlx.CPU) && device != string(mlx.GPU) {
				return wrongUse(cmd, "--device %s: use cpu or gpu", device)
			}
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			stats, err := passes.Run(l.module, pipe, passes.Options{Eval: interp.EvalOp})
			if err != nil {
				return err
			}
			if o.verbose {
				cmd.PrintErr(stats)
			}
			return e.write(l.module, out, mlx.Options{Device: mlx.Device(device), Fallback: policy})
		},
	}
	for _, e := range emitters {
		cmd.Long += fmt.Sprintf("  %-7s  %-12s  %s\n", e.name, e.ext, e.doc)
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "the file to write")
	cmd.Flags().StringVar(&emit, "emit", "", "the form: bundle, ir, plan, session, python or onnx; without it the ending of OUT says")
	cmd.Flags().StringVar(&pipeline, "passes", "default", "comma-separated passes; none with an empty list")
	addPrecision(cmd, &precision)
	cmd.Flags().StringVar(&device, "device", string(mlx.CPU), "what plans and Python programs are for: cpu or gpu; the machine need not have one")
	cmd.Flags().StringVar(&fallback, "fallback", "warn", "of ops that MLX cannot run, in plans: error, warn or silent")
	return cmd
}

// findEmitter is the form of that name, or without one the form that the ending of the path stands for.
func findEmitter(cmd *cobra.Command, name, path string) (emitter, error) {
	if name == "" {
		return emitterOf(cmd, path, emitters...)
	}
	var names []string
	for _, e := range emitters {
		if e.name == name {
			return e, e.fits(cmd, path)
		}
		names = append(names, e.name)
	}
	return emitter{}, wrongUse(cmd, "--emit %s: use %s", name, strings.Join(names, ", "))
}

// fits refuses a path whose ending stands for another form.
func (e emitter) fits(cmd *cobra.Command, path string) error {
	for _, other := range emitters {
		if other.ext != e.ext && other.ext == extension(path) {
			return wrongUse(cmd, "-o %s: --emit %s does not write %s: end it in %s", path, e.name, other.ext, e.ext)
		}
	}
	return nil
}

// emitterOf is that of the forms for which the ending of the path stands.
func emitterOf(cmd *cobra.Command, path string, forms ...emitter) (emitter, error) {
	var endings []string
	for _, e := range forms {
		if e.ext == extension(path) {
			return e, nil
		}
		if !slices.Contains(endings, e.ext) {
			endings = append(endings, e.ext)
		}
	}
	return emitter{}, wrongUse(cmd, "-o %s: the ending says what is written: use %s", path, strings.Join(endings, ", "))
}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }

// programForm is the form of a program that is written to path; none without one, which prints it.
func programForm(cmd *cobra.Command, path string) (emitter, error) {
	if path == "" {
		return emitter{}, nil
	}
	return emitterOf(cmd, path, programs...)
}

// programs are the forms that every verb reads.
var programs = slices.DeleteFunc(slices.Clone(emitters), func(e emitter) bool { return e.name != "bundle" && e.name != "ir" && e.name != "onnx" })

func emitBundle(m *ir.Module, path string, _ mlx.Options) error { return emily.WriteBundle(m, path) }

// emitIR writes the text with blobs by their path from the text's folder.
func emitIR(m *ir.Module, path string, _ mlx.Options) error {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	text := m.Clone()
	for i, b := range m.Blobs {
		if b.Path == "" {
			continue
		}
		at, err := filepath.Abs(b.Path)
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(dir, at); err == nil {
			at = rel
		}
		text.Blobs[i] = &ir.Blob{Name: b.Name, Path: at, Data: b.Data}
	}
	return emily.WriteFile(path, text.Print)
}

// emitPlan writes the text of the plan; of one with host islands, each stage under a heading.
func emitPlan(m *ir.Module, path string, opts mlx.Options) error {
	staged, err := mlx.LowerStages(m, opts)
	if err != nil {
		return err
	}
	return emily.WriteFile(path, func(w io.Writer) error { return printStages(w, staged) })
}

func emitSession(m *ir.Module, path string, opts mlx.Options) error {
	p, err := mlx.LowerSession(m, opts)
	if err != nil {
		return err
	}
	return emily.WriteFile(path, p.Print)
}

func printStages(w io.Writer, s *mlx.Staged) error {
	if p := s.Plan(); p != nil {
		return p.Print(w)
	}
	for i, st := range s.Stages {
		where := "MLX"
		if st.Plan == nil {
			where = "the interpreter"
		}
		if _, err := fmt.Fprintf(w, "stage %d, on %s\n", i, where); err != nil {
			return err
		}
		print := st.Host.Print
		if st.Plan != nil {
			print = st.Plan.Print
		}
		if err := print(w); err != nil {
			return err
		}
	}
	return nil
}

func emitONNX(m *ir.Module, path string, _ mlx.Options) error { return emily.WriteONNX(m, path) }

func emitPython(m *ir.Module, path string, opts mlx.Options) error {
	p, err := mlx.Lower(m, opts)
	if err != nil {
		return err
	}
	return emily.WriteFile(path, func(w io.Writer) error { return p.EmitPython(w) })
}
