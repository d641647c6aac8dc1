package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
)

// Lane is a way to run a module. All lanes give the same results, within the tolerances.
type Lane struct {
	Name    string
	Doc     string
	Compile func(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) // may change m
}

// LaneOptions are what lanes need beside the module.
type LaneOptions struct {
	Fallback  mlx.Fallback
	Precision ir.DType // in which all lanes but the oracle compute what is f32; none: in f32
	Warn      func(string)
}

// Runner is a compiled module.
type Runner interface {
	RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error)
	Close() error
}

// AllLanes are the lanes there are. The first is the oracle.
var AllLanes = []Lane{
	{"interp", "as imported, in the interpreter: the oracle", lane(emily.WithBackend(emily.Interpreter), emily.WithPipeline(), emily.WithPrecision(ir.F32))},
	{"interp-opt", "optimised, in the interpreter", lane(emily.WithBackend(emily.Interpreter), emily.WithVerifier())},
	{"roundtrip", "printed, parsed and printed again, in the interpreter", roundTrip},
	{"onnx", "optimised, exported to ONNX and imported again, in the interpreter", throughONNX},
	{"mlx", "optimised, on MLX", lane(emily.WithBackend(emily.MLX), emily.WithVerifier())},
	{"mlx-noopt", "as imported, on MLX", lane(emily.WithBackend(emily.MLX), emily.WithPipeline())},
	{"mlx-compiled", "optimised, on MLX with mx::compile", lane(emily.WithBackend(emily.MLX), emily.WithMLXCompile())},
	{"python", "the emitted program under Python's MLX", compilePython},
}

// SelectLanes finds lanes by a comma-separated list of names.
func SelectLanes(list string) ([]Lane, error) {
	var out []Lane
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		l := laneNamed(name)
		if l.Compile == nil {
			return nil, fmt.Errorf("unknown lane %q: there are %s", name, strings.Join(laneNames(AllLanes), ", "))
		}
		out = append(out, l)
	}
	return out, nil
}

// laneNamed is the lane of that name, or one without Compile.
func laneNamed(name string) Lane {
	i := slices.IndexFunc(AllLanes, func(l Lane) bool { return l.Name == name })
	if i < 0 {
		return Lane{}
	}
	return AllLanes[i]
}

func laneNames(lanes []Lane) []string {
	out := make([]string, len(lanes))
	for i, l := range lanes {
		out[i] = l.Name
	}
	return out
}

// optimise is what lanes do that do not compile through the façade.
func optimise(m *ir.Module, o LaneOptions) error {
	pipeline, err := passes.InPrecision(passes.Default, o.Precision)
	if err != nil {
		return err
	}
	_, err = passes.Run(m, pipeline, passes.Options{Eval: interp.EvalOp})
	return err
}

// lane compiles through the façade.
func lane(opts ...emily.CompileOption) func(context.Context, *ir.Module, LaneOptions) (Runner, error) {
	return func(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
		model, err := emily.FromModule(m)
		if err != nil {
			return nil, err
		}
		defer model.Close() // the executable holds on to it
		opts := append([]emily.CompileOption{emily.WithFallback(o.Fallback), emily.WithPrecision(o.Precision)}, opts...)
		if o.Warn != nil {
			opts = append(opts, emily.WithWarnings(o.Warn))
		}
		return model.Compile(ctx, opts...)
	}
}

// roundTrip runs what the text of the module parses to, and demands that it prints the same.
func roundTrip(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
	text := m.String()
	parsed, err := ir.Parse(text, ir.ParseOptions{Blob: func(name, _ string, _ int64) (*ir.Blob, error) {
		if b := m.Blob(name); b != nil {
			return b, nil
		}
		return nil, fmt.Errorf("no blob %q", name)
	}})
	if err != nil {
		return nil, fmt.Errorf("the printed module does not parse: %w", err)
	}
	if again := parsed.String(); again != text {
		return nil, fmt.Errorf("print, parse, print is no fixed point: %s", firstLineDiff(text, again))
	}
	return lane(emily.WithBackend(emily.Interpreter), emily.WithPipeline())(ctx, parsed, o)
}

func firstLineDiff(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(la), len(lb)) {
		if la[i] != lb[i] {
			return fmt.Sprintf("line %d was %q, is %q", i+1, clip(la[i]), clip(lb[i]))
		}
	}
	return fmt.Sprintf("%d lines, then %d", len(la), len(lb))
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
