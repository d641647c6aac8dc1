package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/spf13/cobra"
)

func newRun(o *options) *cobra.Command {
	var f modelFlags
	var b backendFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "run MODEL",
		Short: "Run a model once",
		Long: `Run runs a model once and prints the type and a digest of each output, or writes them as .npy files.

Inputs without -i are random, the same ones for the same --seed. A literal is a number or nested lists of numbers.`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc run model.onnx
emilyc run model.onnx -i ids='[[101,2023,102]]' -i mask=ones.npy -o out
emilyc run model.onnx -d batch=4 --backend mlx`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			opts, err := b.options(cmd)
			if err != nil {
				return err
			}
			inputs, sizes, err := l.inputs(f.seed)
			if err != nil {
				return err
			}
			outputs, err := runOnce(cmd, l, inputs, opts)
			if err != nil {
				return err
			}
			names := l.module.Main().Outputs
			if dir != "" {
				if err := writeOutputs(dir, names, outputs); err != nil {
					return err
				}
			}
			rows := make([]outputJSON, len(outputs))
			for i, v := range outputs {
				rows[i] = describe(names[i], v)
			}
			return o.print(cmd, runJSON{sizes.String(), rows}, func(w *writer) {
				if s := sizes.String(); s != "" {
					w.printf("unbound dims: %s\n", s)
				}
				table := [][]string{{"output", "type", "sha256", "least", "mean", "most"}}
				for _, r := range rows {
					table = append(table, []string{r.Name, r.Type, r.Digest, r.Min, r.Mean, r.Max})
				}
				w.table(table)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write the outputs to this folder, as .npy")
	b.add(cmd)
	return cmd
}

// backendFlags say what runs a model, and how.
type backendFlags struct {
	backend, fallback string
	precision         ir.DType
}

func (b *backendFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.backend, "backend", "auto", "interp, mlx, or auto: mlx where it is set up")
	cmd.Flags().StringVar(&b.fallback, "fallback", "warn", "of ops that MLX cannot run: error, warn or silent")
	addPrecision(cmd, &b.precision)
}

func checkBackend(cmd *cobra.Command, name string) error {
	switch emily.Backend(name) {
	case emily.Interpreter, emily.MLX, emily.Auto:
		return nil
	}
	return wrongUse(cmd, "--backend %s: use interp, mlx or auto", name)
}

func (b *backendFlags) options(cmd *cobra.Command) ([]emily.CompileOption, error) {
	if err := checkBackend(cmd, b.backend); err != nil {
		return nil, err
	}
	f, err := emily.ParseFallback(b.fallback)
	if err != nil {
		return nil, wrongUse(cmd, "--%v", err)
	}
	return []emily.CompileOption{
		emily.WithBackend(emily.Backend(b.backend)), emily.WithFallback(f), emily.WithPrecision(b.precision),
		emily.WithWarnings(func(s string) { cmd.PrintErrln("warning:", s) }),
	}, nil
}

func runOnce(cmd *cobra.Command, l *loaded, inputs []ir.Datum, opts []emily.CompileOption) ([]ir.Datum, error) {
	model, err := emily.FromModule(l.module)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	exe, err := model.Compile(cmd.Context(), opts...)
	if err != nil {
		return nil, err
	}
	defer exe.Close()
	return exe.RunOrdered(cmd.Context(), inputs)
}

type runJSON struct {
	Unbound string       `json:"unbound,omitempty"`
	Outputs []outputJSON `json:"outputs"`
}

type outputJSON struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Digest string `json:"sha256"`
	Min    string `json:"min,omitempty"`
	Mean   string `json:"mean,omitempty"`
	Max    string `json:"max,omitempty"`
}

func describe(name string, v ir.Datum) outputJSON {
	out := outputJSON{Name: name, Type: v.Type().String(), Digest: digest(v)}
	t, ok := v.(*ir.Tensor)
	if !ok || t.Len() == 0 || t.DType != ir.F32 && t.DType != ir.F64 {
		return out
	}
	lo, hi, sum := math.Inf(1), math.Inf(-1), 0.0
	for i := range t.Len() {
		x := 0.0
		if t.DType == ir.F32 {
			x = float64(ir.View[float32](t)[i])
		} else {
			x = ir.View[float64](t)[i]
		}
		lo, hi, sum = min(lo, x), max(hi, x), sum+x
	}
	out.Min, out.Mean, out.Max = fmt.Sprintf("%.6g", lo), fmt.Sprintf("%.6g", sum/float64(t.Len())), fmt.Sprintf("%.6g", hi)
	return out
}

// digest is the start of the hash of a value's bytes.
func digest(v ir.Datum) string {
	h := sha256.New()
	hashDatum(h, v)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func hashDatum(w io.Writer, v ir.Datum) {
	switch v := v.(type) {
	case *ir.Tensor:
		fmt.Fprint(w, v.Type(), len(v.Strings), v.Strings)
		w.Write(v.Data)
	case *ir.Sequence:
		fmt.Fprint(w, "seq", len(v.Items))
		for _, item := range v.Items {
			hashDatum(w, item)
		}
	case *ir.Optional:
		fmt.Fprint(w, "optional", v.Item != nil)
		if v.Item != nil {
			hashDatum(w, v.Item)
		}
	case *ir.Map:
		hashDatum(w, v.Keys)
		hashDatum(w, v.Values)
	}
}

// writeOutputs writes tensors as DIR/NAME.npy, the elements of sequences as NAME.0.npy, …, and maps as NAME.keys.npy and NAME.values.npy.
func writeOutputs(dir string, names []string, outputs []ir.Datum) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i, v := range outputs {
		if err := writeNPY(filepath.Join(dir, fileName(names[i])), v); err != nil {
			return fmt.Errorf("output %q: %w", names[i], err)
		}
	}
	return nil
}

// fileName keeps a name from leaving its folder.
func fileName(name string) string {
	return strings.TrimLeft(strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == ':' || r == 0 {
			return '_'
		}
		return r
	}, name), ".")
}

func writeNPY(base string, v ir.Datum) error {
	switch v := v.(type) {
	case *ir.Tensor:
		return emily.WriteFile(base+".npy", func(w io.Writer) error { return interp.WriteNPY(w, v) })
	case *ir.Sequence:
		for i, item := range v.Items {
			if err := writeNPY(fmt.Sprintf("%s.%d", base, i), item); err != nil {
				return err
			}
		}
		return nil
	case *ir.Optional:
		if v.Item == nil {
			return nil
		}
		return writeNPY(base, v.Item)
	}
	m := v.(*ir.Map)
	if err := writeNPY(base+".keys", m.Keys); err != nil {
		return err
	}
	return writeNPY(base+".values", m.Values)
}
