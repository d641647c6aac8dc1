package mlx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Staged is a lowered module: native Plans, and between them the host islands, the parts that MLX cannot run.
// Values pass between stages in slots.
type Staged struct {
	Name    string
	Inputs  []Port // the first slots
	Outputs []Port
	Stages  []Stage
	outputs []int // slots
	slots   int
}

// Stage is a part that runs as one: a Plan, or a host island.
type Stage struct {
	Plan    *Plan         // nil for an island
	Host    *ir.Module    // of an island: its main function is what runs
	Reasons []Unsupported // why the ops of an island are there
	In, Out []int         // slots of the operands and results
	free    []int         // slots that no later stage reads
}

// Islands lists the ops that run on the host, and why.
func (s *Staged) Islands() []Unsupported {
	var out []Unsupported
	for i := range s.Stages {
		out = append(out, s.Stages[i].Reasons...)
	}
	return out
}

// Plan is the only stage of a module that is native as a whole, nil for others.
func (s *Staged) Plan() *Plan {
	if len(s.Stages) == 1 {
		return s.Stages[0].Plan
	}
	return nil
}

// Run runs the stages one after another by means of run, which knows how to run a Plan and an island.
func (s *Staged) Run(inputs []ir.Datum, run func(stage int, inputs []ir.Datum) ([]ir.Datum, error)) ([]ir.Datum, error) {
	if len(inputs) != len(s.Inputs) {
		return nil, &ir.Error{Kind: ir.Malformed, Msg: fmt.Sprintf("%s: %d inputs, want %d: %s", s.Name, len(inputs), len(s.Inputs), portNames(s.Inputs))}
	}
	values := make([]ir.Datum, s.slots)
	copy(values, inputs)
	pick := func(slots []int) []ir.Datum {
		out := make([]ir.Datum, len(slots))
		for i, k := range slots {
			out[i] = values[k]
		}
		return out
	}
	for i := range s.Stages {
		st := &s.Stages[i]
		out, err := run(i, pick(st.In))
		if err != nil {
			return nil, err
		}
		for k, slot := range st.Out {
			values[slot] = out[k]
		}
		for _, slot := range st.free {
			values[slot] = nil
		}
	}
	return pick(s.outputs), nil
}

// LowerStages lowers m's main function; what MLX cannot run becomes host islands, unless opts.Fallback is
// FallbackError: then the first such op is an *Unsupported error.
func LowerStages(m *ir.Module, opts Options) (*Staged, error) {
	f := m.Main()
	if f == nil {
		return nil, fmt.Errorf("%s: the module has no function", m.Name)
	}
	p := newPartition(f, opts)
	if len(p.reasons) > 0 && opts.Fallback == FallbackError {
		return nil, p.first()
	}
	if len(p.reasons) == 0 && p.holds(f.Inputs()) && p.holds(f.Results()) {
		return single(m, opts)
	}
	return p.staged(m)
}

// single is a module that is native as a whole.
func single(m *ir.Module, opts Options) (*Staged, error) {
	plan, err := Lower(m, opts)
	if err != nil {
		return nil, err
	}
	n, k := len(plan.Inputs), len(plan.Outputs)
	s := &Staged{Name: m.Name, Inputs: plan.Inputs, Outputs: plan.Outputs, slots: n + k}
	for i := range k {
		s.outputs = append(s.outputs, n+i)
	}
	s.Stages = []Stage{{Plan: plan, In: upTo(n), Out: s.outputs}}
	return s, nil
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// partition puts each op into the first stage in which it can run: native stages are even, islands odd.
type partition struct {
	f       *ir.Func
	opts    Options
	reasons map[*ir.Op]string
	stage   map[*ir.Op]int
	output  map[*ir.Value]bool
	definer map[ir.Dim]*ir.Value // of a symbol: the first value that has it as a size
	parts   []part
}

// part is one stage to be.
type part struct {
	ops   []*ir.Op
	facts []ir.Fact
	in    []*ir.Value
	out   []*ir.Value
	seen  map[*ir.Value]bool // operands so far, and what is defined here
	given map[*ir.Value]bool // out
	sizes map[ir.Dim]bool    // symbols that some operand has as a size
}

func newPartition(f *ir.Func, opts Options) *partition {
	p := &partition{f: f, opts: opts, reasons: map[*ir.Op]string{}, stage: map[*ir.Op]int{}, definer: map[ir.Dim]*ir.Value{}, output: map[*ir.Value]bool{}}
	for _, v := range f.Results() {
		p.output[v] = true
	}
	for _, v := range f.Inputs() {
		p.names(v)
	}
	for _, op := range f.Body.Ops {
		if op.Kind == ir.Yield {
			continue
		}
		if why := unsupported(op, opts); why != "" {
			p.reasons[op] = why
		}
		for _, v := range op.Results {
			p.names(v)
		}
	}
	return p
}

// holds reports whether MLX can hold all the values.
func (p *partition) holds(values []*ir.Value) bool {
	return !slices.ContainsFunc(values, func(v *ir.Value) bool { return unsupportedType(v.Type, true, p.opts) != "" })
}

func (p *partition) names(v *ir.Value) {
	for _, d := range v.Type.Shape {
		if d.Op() == ir.DimSym && p.definer[d] == nil {
			p.definer[d] = v
		}
	}
}

// first is the first op in program order that MLX cannot run.
func (p *partition) first() error {
	for _, op := range p.f.Body.Ops {
		if why, ok := p.reasons[op]; ok {
			return &Unsupported{op, why}
		}
	}
	return nil
}

// symbols calls visit for the symbols that op needs or makes, and that values of the function have as sizes.
func (p *partition) symbols(op *ir.Op, visit func(ir.Dim)) {
	each := func(d ir.Dim) {
		if d != ir.Unknown {
			d.Symbols(func(s ir.Dim) {
				if p.definer[s] != nil {
					visit(s)
				}
			})
		}
	}
	value := func(v *ir.Value) {
		if v != nil {
			for _, d := range v.Type.Shape {
				each(d)
			}
			for _, d := range v.Sym {
				each(d)
			}
		}
	}
	for _, v := range op.Args {
		value(v)
	}
	for _, v := range op.Results {
		value(v)
	}
	switch a := op.Attrs.(type) {
	case *ir.DimsAttrs:
		for _, d := range a.Values {
			each(d)
		}
	case *ir.SplitAttrs:
		for _, d := range a.Sizes {
			each(d)
		}
	}
	for _, r := range op.Regions {
		for _, sub := range r.Ops {
			p.symbols(sub, visit)
		}
		for _, f := range r.Facts.List {
			each(f.A)
			each(f.B)
		}
	}
}

// after is the stage in which v is there; inputs are before all.
func (p *partition) after(v *ir.Value) int {
	if v == nil || v.Def == nil {
		return 0
	}
	return p.stage[v.Def]
}

// assign finds the stage of every op but constants, which are copied to where they are used.
func (p *partition) assign() {
	for _, op := range p.f.Body.Ops {
		if op.Kind == ir.Yield || op.Kind == ir.Const && !p.output[op.Result()] {
			continue
		}
		at := 0
		for _, v := range op.Args {
			at = max(at, p.after(v))
		}
		p.symbols(op, func(s ir.Dim) {
			if d := p.definer[s]; d.Def != op {
				at = max(at, p.after(d))
			}
		})
		if _, host := p.reasons[op]; host != (at%2 == 1) {
			at++
		}
		p.stage[op] = at
		for len(p.parts) <= at {
			p.parts = append(p.parts, part{seen: map[*ir.Value]bool{}, given: map[*ir.Value]bool{}, sizes: map[ir.Dim]bool{}})
		}
		p.parts[at].ops = append(p.parts[at].ops, op)
	}
}

// addFacts gives each fact to the first stage that has its symbols and does something.
func (p *partition) addFacts() {
	for _, f := range p.f.Body.Facts.List {
		at := 0
		need := func(s ir.Dim) { at = max(at, p.after(p.definer[s])) }
		f.A.Symbols(need)
		f.B.Symbols(need)
		for at < len(p.parts)-1 && len(p.parts[at].ops) == 0 {
			at++
		}
		p.parts[at].facts = append(p.parts[at].facts, f)
	}
}

// connect finds what each part takes and gives.
func (p *partition) connect() {
	for i := range p.parts {
		q := &p.parts[i]
		for _, op := range q.ops {
			for _, v := range op.Results {
				q.seen[v] = true
			}
		}
	}
	for i := range p.parts {
		q := &p.parts[i]
		for _, op := range q.ops {
			for _, v := range op.Args {
				p.take(i, v)
			}
			p.symbols(op, func(s ir.Dim) { p.takeSymbol(i, s) })
		}
		for _, f := range q.facts {
			f.A.Symbols(func(s ir.Dim) { p.takeSymbol(i, s) })
			f.B.Symbols(func(s ir.Dim) { p.takeSymbol(i, s) })
		}
	}
	for _, v := range p.f.Results() {
		p.give(v)
	}
}

// take makes v an operand of part i. Constants are copied; a native part makes what it knows the elements of.
func (p *partition) take(i int, v *ir.Value) {
	q := &p.parts[i]
	if v == nil || q.seen[v] {
		return
	}
	if v.Def != nil && p.isCopied(v) {
		q.seen[v] = true
		q.ops = append(q.ops, v.Def) // sorted into order below
		return
	}
	if _, known := v.KnownDims(); known && i%2 == 0 && v.Def != nil {
		q.seen[v] = true
		return
	}
	p.operand(q, v)
}

func (p *partition) isCopied(v *ir.Value) bool {
	_, placed := p.stage[v.Def]
	return v.Def.Kind == ir.Const && !placed
}

// takeSymbol makes sure that part i can tell the value of s: some operand has it as a size.
func (p *partition) takeSymbol(i int, s ir.Dim) {
	q := &p.parts[i]
	d := p.definer[s]
	if d != nil && !q.seen[d] && !q.sizes[s] {
		p.operand(q, d)
	}
}

func (p *partition) operand(q *part, v *ir.Value) {
	q.seen[v] = true
	q.in = append(q.in, v)
	for _, d := range v.Type.Shape {
		q.sizes[d] = true
	}
	p.give(v)
}

// give makes v a result of the part that defines it.
func (p *partition) give(v *ir.Value) {
	if v.Def == nil {
		return
	}
	if q := &p.parts[p.stage[v.Def]]; !q.given[v] {
		q.given[v] = true
		q.out = append(q.out, v)
	}
}

// staged lowers the parts.
func (p *partition) staged(m *ir.Module) (*Staged, error) {
	p.assign()
	p.addFacts()
	p.connect()
	s := &Staged{Name: m.Name}
	slot := map[*ir.Value]int{}
	give := func(v *ir.Value) int {
		if _, ok := slot[v]; !ok {
			slot[v] = s.slots
			s.slots++
		}
		return slot[v]
	}
	for _, v := range p.f.Inputs() {
		give(v)
		s.Inputs = append(s.Inputs, Port{v.Name, v.Type})
	}
	order := map[*ir.Op]int{}
	for i, op := range p.f.Body.Ops {
		order[op] = i
	}
	for i := range p.parts {
		q := &p.parts[i]
		slices.SortStableFunc(q.ops, func(a, b *ir.Op) int { return order[a] - order[b] })
		if len(q.ops) == 0 {
			continue
		}
		st, err := p.lower(m, i)
		if err != nil {
			return nil, err
		}
		for _, v := range q.in {
			st.In = append(st.In, give(v))
		}
		for _, v := range q.out {
			st.Out = append(st.Out, give(v))
		}
		s.Stages = append(s.Stages, st)
	}
	for i, v := range p.f.Results() {
		s.outputs = append(s.outputs, give(v))
		s.Outputs = append(s.Outputs, Port{p.f.Outputs[i], v.Type})
	}
	s.release()
	return s, nil
}

// release notes the last stage that reads each slot.
func (s *Staged) release() {
	done := map[int]bool{}
	for _, k := range s.outputs {
		done[k] = true
	}
	for i := len(s.Stages) - 1; i >= 0; i-- {
		st := &s.Stages[i]
		for _, k := range slices.Concat(st.In, st.Out) {
			if !done[k] {
				done[k] = true
				st.free = append(st.free, k)
			}
		}
	}
}

func (p *partition) lower(m *ir.Module, i int) (Stage, error) {
	if i%2 == 1 {
		return p.island(m, &p.parts[i]), nil
	}
	q := &p.parts[i]
	l := newLowering(m, p.opts)
	l.inputs(q.in, q.facts)
	for _, op := range q.ops {
		l.lower(op)
	}
	for _, v := range q.out {
		l.b.Output(valueName(v), v.Type, l.reg(v))
	}
	plan, err := l.b.Finish()
	return Stage{Plan: plan}, err
}

func valueName(v *ir.Value) string {
	if v.Name == "" && v.Def != nil {
		return fmt.Sprintf("%s:%d", v.Def.Location().Node, v.Index)
	}
	return v.Name
}

// island is a module of the ops of q.
func (p *partition) island(m *ir.Module, q *part) Stage {
	host := &ir.Module{Name: m.Name, Blobs: m.Blobs, Locs: m.Locs}
	f := host.NewFunc("island")
	values := map[*ir.Value]*ir.Value{}
	for _, v := range q.in {
		param := f.Body.AddParam(valueName(v), v.Type)
		param.Sym = v.Sym
		values[v] = param
	}
	for _, fact := range q.facts {
		f.Body.AddFact(fact)
	}
	var reasons []Unsupported
	for _, op := range q.ops {
		f.Body.Ops = append(f.Body.Ops, op.CopyTo(f.Body, values))
		if why, ok := p.reasons[op]; ok {
			reasons = append(reasons, Unsupported{op, why})
		}
	}
	var results []*ir.Value
	for _, v := range q.out {
		results = append(results, values[v])
		f.Outputs = append(f.Outputs, valueName(v))
	}
	ir.NewBuilder(f.Body).Yield(results...)
	return Stage{Host: host, Reasons: reasons}
}
