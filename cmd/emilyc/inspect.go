package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/spf13/cobra"
)

// inspection is what inspect says.
type inspection struct {
	Model      string         `json:"model"`
	Inputs     []portJSON     `json:"inputs"`
	Outputs    []portJSON     `json:"outputs"`
	Parameters int64          `json:"parameters"`
	Weights    int64          `json:"weight_bytes"`
	Activation int64          `json:"peak_activation_bytes"`
	Sizes      string         `json:"activation_sizes,omitempty"`
	Caches     []cacheJSON    `json:"caches,omitempty"` // that a session keeps on the device
	Facts      []string       `json:"facts,omitempty"`
	Before     map[string]int `json:"ops_before"`
	After      map[string]int `json:"ops_after"`
	Passes     []passJSON     `json:"passes"`
	PlanCalls  int            `json:"plan_calls"`  // of a run, without constants; bodies of loops and branches count once
	SetupCalls int            `json:"setup_calls"` // made once, when the model is loaded
	Calls      map[string]int `json:"plan_calls_by_name"`
	Transposes int            `json:"plan_transposes"`
	Stages     int            `json:"stages"`
	Islands    []islandJSON   `json:"islands"`
	Untraced   string         `json:"not_compiled,omitempty"` // the call for which mx::compile cannot be used
	PlanError  string         `json:"plan_error,omitempty"`
}

type portJSON struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type cacheJSON struct {
	Past    string `json:"past"`
	Present string `json:"present"`
	Axis    int    `json:"axis"`
}

type islandJSON struct {
	Node   string `json:"node"`
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}

func newInspect(o *options) *cobra.Command {
	var f modelFlags
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show what is in a model, and what becomes of it",
		Long: `Inspect prints inputs, outputs, parameters, memory, op counts before and after the passes and each of them, the MLX calls of a run, and how
the model is divided between MLX and the interpreter; with -v also the rules that each pass applied, and the facts about sizes.`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc inspect model.onnx
emilyc inspect model.safetensors --json
emilyc inspect model.onnx -v -d batch=8`,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			s, err := inspect(l)
			if err != nil {
				return err
			}
			return o.print(cmd, s, func(w *writer) { s.print(w, o.verbose) })
		},
	}
	f.add(cmd)
	return cmd
}

func inspect(l *loaded) (*inspection, error) {
	m := l.module
	s := &inspection{Model: l.model.Path(), Before: countKinds(m), Islands: []islandJSON{}, Calls: map[string]int{}}
	for _, p := range l.model.Inputs() {
		s.Inputs = append(s.Inputs, portJSON{p.Name, p.Type.String()})
	}
	for i, v := range m.Main().Results() {
		s.Outputs = append(s.Outputs, portJSON{m.Main().Outputs[i], v.Type.String()})
	}
	for _, fact := range m.Main().Body.Facts.List {
		s.Facts = append(s.Facts, fmt.Sprintf("%s %s, %s", fact.Rel, fact.A, fact.B))
	}
	stats, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp})
	if err != nil {
		return nil, err
	}
	s.After, s.Passes = countKinds(m), optJSON(stats)
	s.Parameters, s.Weights = weights(m)
	if sizes, err := conformance.ChooseSizes(m.Main(), nil); err == nil {
		s.Activation, s.Sizes = peakActivation(m.Main(), sizes.Of), sizes.String()
	}
	for _, c := range ir.Caches(m.Main()) {
		s.Caches = append(s.Caches, cacheJSON{c.Past.Name, m.Main().Outputs[c.Output], c.Axis})
	}
	s.plan(m)
	return s, nil
}

// plan lowers the module, to see how; a model that cannot be lowered is inspected all the same.
func (s *inspection) plan(m *ir.Module) {
	staged, err := mlx.LowerStages(m, mlx.Options{Fallback: mlx.FallbackSilent})
	if err != nil {
		s.PlanError = err.Error()
		return
	}
	s.Stages = len(staged.Stages)
	for _, st := range staged.Stages {
		if st.Plan != nil {
			s.count(st.Plan)
			if call, needs := st.Plan.NeedsValues(); needs && s.Untraced == "" {
				s.Untraced = call
			}
		}
	}
	for _, u := range staged.Islands() {
		s.Islands = append(s.Islands, islandJSON{u.Op.Location().String(), u.Op.Kind.String(), u.Reason})
	}
}

// count adds the plan's calls.
func (s *inspection) count(p *mlx.Plan) {
	for i, g := range p.Programs {
		for _, c := range g.Calls {
			switch {
			case c.Op == mlx.Const:
			case i == int(p.Setup):
				s.SetupCalls++
			default:
				s.PlanCalls++
				s.Calls[c.Op.String()]++
			}
		}
	}
	s.Transposes = s.Calls[mlx.Transpose.String()]
}

func countKinds(m *ir.Module) map[string]int {
	n := map[string]int{}
	for _, f := range m.Funcs {
		f.Body.Walk(func(op *ir.Op) {
			if op.Kind != ir.Yield {
				n[op.Kind.String()]++
			}
		})
	}
	return n
}

// weights counts the elements of the constants of floats and of small integers, which stand for floats, and the bytes of all constants,
// each place in a blob once.
func weights(m *ir.Module) (elements, bytes int64) {
	type place struct {
		blob     *ir.Blob
		off, len int64
	}
	seen := map[place]bool{}
	for _, f := range m.Funcs {
		f.Body.Walk(func(op *ir.Op) {
			a, ok := op.Attrs.(*ir.ConstAttrs)
			if !ok {
				return
			}
			at := place{a.Blob, a.Off, a.Len}
			if a.Blob != nil && seen[at] {
				return
			}
			seen[at] = true
			bytes += max(a.Len, int64(len(a.Inline)))
			if d := a.Type.DType; d.IsFloat() || d.IsInt() && d.Bits() <= 8 {
				n, _ := a.Type.Shape.NumElements().Value()
				elements += n
			}
		})
	}
	return elements, bytes
}

// peakActivation is the most bytes of values that are alive at once when the ops of f run in order, without
// weights, what is made of them alone, which MLX has at load, and without what lives inside regions.
func peakActivation(f *ir.Func, sizes map[ir.Dim]int64) int64 {
	last := map[*ir.Value]int{}
	for i, op := range f.Body.Ops {
		for _, v := range op.Args {
			if v != nil {
				last[v] = i
			}
		}
	}
	weight := map[*ir.Value]bool{}
	for _, op := range f.Body.Ops {
		if !slices.ContainsFunc(op.Args, func(v *ir.Value) bool { return v != nil && !weight[v] }) {
			for _, v := range op.Results {
				weight[v] = true
			}
		}
	}
	size := func(v *ir.Value) int64 {
		if !v.Type.IsTensor() || weight[v] {
			return 0
		}
		n, ok := v.Type.Shape.NumElements().Eval(sizes)
		if !ok {
			return 0
		}
		return n * int64(v.DType().Size())
	}
	var live, peak int64
	for _, v := range f.Inputs() {
		live += size(v)
	}
	for i, op := range f.Body.Ops {
		for _, v := range op.Results {
			live += size(v)
		}
		peak = max(peak, live)
		done := map[*ir.Value]bool{}
		for _, v := range slices.Concat(op.Args, op.Results) {
			if at, used := last[v]; v != nil && !done[v] && (!used || at == i) {
				done[v] = true
				live -= size(v)
			}
		}
	}
	return peak
}

func (s *inspection) print(w *writer, verbose bool) {
	w.printf("%s\n\n", s.Model)
	rows := [][]string{}
	for _, p := range s.Inputs {
		rows = append(rows, []string{"input", p.Name, p.Type})
	}
	for _, p := range s.Outputs {
		rows = append(rows, []string{"output", p.Name, p.Type})
	}
	w.table(rows)
	w.printf("\nparameters %d, weights %s, peak of activations %s", s.Parameters, bytesText(s.Weights), bytesText(s.Activation))
	if s.Sizes != "" {
		w.printf(" (%s)", s.Sizes)
	}
	w.printf("\n\n")
	s.printKinds(w)
	s.printPasses(w, verbose)
	if verbose && len(s.Facts) > 0 {
		w.printf("\n")
		for _, f := range s.Facts {
			w.printf("fact %s\n", f)
		}
	}
	if s.PlanError != "" {
		w.printf("\nno plan: %s\n", s.PlanError)
		return
	}
	s.printCalls(w)
	w.printf("\nplan: %d MLX calls, %d of them transposes, %d more at load, %s, %s on host islands\n", s.PlanCalls, s.Transposes, s.SetupCalls, counted(s.Stages, "stage"), counted(len(s.Islands), "op"))
	for _, i := range s.Islands {
		w.printf("  %s %s: %s\n", i.Node, i.Kind, i.Reason)
	}
	if n := len(s.Caches); n > 0 {
		w.printf("caches: a session keeps %d on the device: %s is %s with new elements behind it on axis %d, and so on\n", n, s.Caches[0].Present, s.Caches[0].Past, s.Caches[0].Axis)
	}
	if s.Untraced != "" {
		w.printf("  cannot run under mx::compile: values decide %s\n", s.Untraced)
	}
}

func (s *inspection) printCalls(w *writer) {
	names := slices.Sorted(maps.Keys(s.Calls))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(s.Calls[b], s.Calls[a]) })
	rows := [][]string{{"MLX call", "count"}}
	for _, n := range names {
		rows = append(rows, []string{n, strconv.Itoa(s.Calls[n])})
	}
	w.printf("\n")
	w.table(rows)
}

func (s *inspection) printKinds(w *writer) {
	rows := [][]string{{"op", "imported", "after passes"}}
	total := [2]int{}
	names := slices.Sorted(maps.Keys(s.Before))
	for k := range s.After {
		if _, ok := s.Before[k]; !ok {
			names = append(names, k)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(s.Before[b], s.Before[a]) })
	for _, k := range names {
		rows = append(rows, []string{k, strconv.Itoa(s.Before[k]), strconv.Itoa(s.After[k])})
		total[0] += s.Before[k]
		total[1] += s.After[k]
	}
	rows = append(rows, []string{"total", strconv.Itoa(total[0]), strconv.Itoa(total[1])})
	w.table(rows)
}

// counted is n things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

// printPasses tells what each pass did: how many rewrites, or by which rules.
func (s *inspection) printPasses(w *writer, byRule bool) {
	rows := [][]string{{"\npass", "ops", "rewrites"}}
	for _, p := range s.Passes {
		total, rules := 0, ""
		for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
			total += p.Rules[name]
			rules += fmt.Sprintf("%s %d  ", name, p.Rules[name])
		}
		if !byRule {
			rules = strconv.Itoa(total)
		}
		rows = append(rows, []string{p.Pass, fmt.Sprintf("%d -> %d", p.Before, p.After), rules})
	}
	w.table(rows)
}
