package emily

import (
	"context"
	"fmt"
	"time"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
)

// Backend is what runs a program.
type Backend string

// The backends. Auto is MLX where `emilyc setup` has made it ready, else the interpreter.
const (
	Auto        Backend = "auto"
	Interpreter Backend = "interp"
	MLX         Backend = "mlx"
)

type compileOptions struct {
	backend  Backend
	pipeline []passes.Pass
	fallback mlx.Fallback
	compiled bool
	tuning   mlx.Tuning
	half     ir.DType
	verify   bool
	warn     func(string)
}

// CompileOption says how a model is compiled.
type CompileOption func(*compileOptions)

// WithBackend chooses the backend (default Auto).
func WithBackend(b Backend) CompileOption { return func(o *compileOptions) { o.backend = b } }

// WithPipeline chooses the passes (default passes.Default); none leaves the program as imported.
func WithPipeline(p ...passes.Pass) CompileOption {
	return func(o *compileOptions) { o.pipeline = p }
}

// WithPrecision has programs of f32 compute in d: f16 or bf16, or f32 (the default). Inputs and outputs keep their dtypes.
func WithPrecision(d ir.DType) CompileOption { return func(o *compileOptions) { o.half = d } }

// WithFallback says what becomes of ops that MLX cannot run (default mlx.FallbackWarn): an error that names them, or the
// interpreter between two stages of MLX, with or without a warning.
func WithFallback(f mlx.Fallback) CompileOption { return func(o *compileOptions) { o.fallback = f } }

// WithMLXCompile runs programs under mx::compile, which fuses stretches of elementwise ops, but for those with loops,
// branches or sizes that depend on values. It needs a C++ compiler at run time on a CPU; see docs/lanes.md. On a GPU a
// program whose sizes are all known runs so without being asked.
func WithMLXCompile() CompileOption { return func(o *compileOptions) { o.compiled = true } }

// WithTuning chooses steps of lowering to MLX that are for speed alone (default: those that pay on the device).
func WithTuning(t mlx.Tuning) CompileOption { return func(o *compileOptions) { o.tuning = t } }

// WithVerifier has the verifier run after every pass.
func WithVerifier() CompileOption { return func(o *compileOptions) { o.verify = true } }

// WithWarnings has warn called with what is worth knowing and no error, such as host islands.
func WithWarnings(warn func(string)) CompileOption { return func(o *compileOptions) { o.warn = warn } }

// builders are the backends by name.
var builders = map[Backend]func(*ir.Module, compileOptions, *Timing) (program, error){
	Interpreter: buildInterp,
	MLX:         buildMLX,
	Auto:        buildAuto,
}

// Compile makes an executable. A model that needs values of inputs is compiled when Run has them.
//
// Errors: of an unknown backend, *ir.Error from passes and lowering, and *runtime.SetupError where MLX is asked for
// and not set up.
func (m *Model) Compile(ctx context.Context, opts ...CompileOption) (*Executable, error) {
	o := compileOptions{backend: Auto, pipeline: passes.Default, fallback: mlx.FallbackWarn, warn: func(string) {}}
	for _, set := range opts {
		set(&o)
	}
	build := builders[o.backend]
	if build == nil {
		return nil, fmt.Errorf("unknown backend %q: use interp, mlx or auto", o.backend)
	}
	pipeline, err := passes.InPrecision(o.pipeline, o.half)
	if err != nil {
		return nil, err
	}
	e := &Executable{model: m}
	e.build = func(ctx context.Context, module *ir.Module, t *Timing) (program, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := passes.Run(module, pipeline, passes.Options{Eval: interp.EvalOp, Verify: o.verify}); err != nil {
			return nil, err
		}
		t.Passes = time.Since(start)
		p, err := build(module, o, t)
		if err != nil {
			return nil, err
		}
		return owning{p, module.Blobs}, nil
	}
	if err := m.retain(); err != nil {
		return nil, err
	}
	if m.base == nil {
		return e, nil
	}
	e.module = m.base.Clone()
	if e.fixed, err = e.build(ctx, e.module, &e.timing); err != nil {
		_ = m.release()
		return nil, err
	}
	return e, nil
}

// ParseFallback reads error, warn or silent.
func ParseFallback(s string) (mlx.Fallback, error) {
	f := mlx.Fallback(s)
	switch f {
	case mlx.FallbackError, mlx.FallbackWarn, mlx.FallbackSilent:
		return f, nil
	}
	return "", fmt.Errorf("fallback %q: use error, warn or silent", s)
}

// interpProgram runs in the interpreter.
type interpProgram struct{ *interp.Program }

func buildInterp(m *ir.Module, _ compileOptions, t *Timing) (program, error) {
	start := time.Now()
	t.Backend = Interpreter
	p, err := interp.New(m.Main())
	t.Load = time.Since(start)
	if err != nil {
		return nil, err
	}
	return interpProgram{p}, nil
}

func (p interpProgram) run(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	return interpret(ctx, p.Program, inputs, each)
}

func interpret(ctx context.Context, p *interp.Program, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	if each == nil {
		return p.Run(ctx, inputs)
	}
	return p.Profile(ctx, inputs, func(op *ir.Op, t time.Duration) {
		if op.Kind == ir.Yield {
			return
		}
		each(OpTime{Kind: op.Kind, Loc: op.Location(), Runs: 1, Time: t})
	})
}

func (p interpProgram) close() error { return nil }
