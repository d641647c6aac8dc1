package mlx

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

// EmitPython writes p as a stand-alone Python program over numpy and mlx.core that computes the same. Weights are
// mapped from the blobs' files, by absolute path; blobs without a file become literals.
//
// The program's main takes the inputs by name and returns the list of outputs. As a script, `model.py DIR` reads
// input_0.npy, input_1.npy, … from DIR and writes output_0.npy, …, in the plan's order; a list is a folder, input_0/0.npy, …. What numpy has no dtype for
// (bfloat16, 8-bit floats) is there as unsigned integers of its bits. `--bench N` prints the least, median and 90th
// percentile of N runs in seconds, as JSON; `--device cpu|gpu` chooses the device.
//
// A plan with states needs a session, which such a program has not: that is an error.
func (p *Plan) EmitPython(w io.Writer) error {
	if len(p.States) > 0 {
		return fmt.Errorf("%s: a plan with states is not emitted: it runs in a session", p.Name)
	}
	e := &pyEmitter{w: bufio.NewWriter(w), plan: p, syms: map[ir.Dim]string{}, funcs: map[Prog]string{}}
	e.names()
	if err := e.emit(); err != nil {
		return err
	}
	return e.w.Flush()
}

type pyEmitter struct {
	w     *bufio.Writer
	plan  *Plan
	syms  map[ir.Dim]string
	funcs map[Prog]string
	err   error
}

func (e *pyEmitter) printf(format string, args ...any) { fmt.Fprintf(e.w, format, args...) }

var notWord = regexp.MustCompile(`\W`)

// names gives symbols and programs distinct Python names.
func (e *pyEmitter) names() {
	used := map[string]bool{}
	unique := func(s string) string {
		s = notWord.ReplaceAllString(s, "_")
		for base, i := s, 2; used[s]; i++ {
			s = fmt.Sprintf("%s_%d", base, i)
		}
		used[s] = true
		return s
	}
	for _, s := range e.plan.Symbols() {
		e.syms[s] = unique("s_" + s.Name())
	}
	for i, g := range e.plan.Programs {
		e.funcs[Prog(i)] = unique("p_" + g.Name)
	}
}

func (e *pyEmitter) emit() error {
	p := e.plan
	e.printf("#!/usr/bin/env python3\n%s\n", pyString(p.Name+": an MLX program emitted by emilyc."))
	e.printf("%s", pyHead)
	helpers, err := e.helpers()
	if err != nil {
		return err
	}
	for _, h := range helpers {
		e.printf("\n%s\n", pyHelpers[h])
	}
	e.ports()
	e.consts()
	for i := len(p.Programs) - 1; i >= 0; i-- {
		if Prog(i) != p.Main {
			e.program(Prog(i))
		}
	}
	setup := "[]"
	if p.Setup >= 0 {
		setup = e.funcs[p.Setup] + "()"
	}
	e.program(p.Main)
	e.main(setup)
	e.printf("%s", pyTail)
	return e.err
}

var helperName = regexp.MustCompile(`\b_[a-z_]+\(`)

// helpers lists the helpers that the calls use, and those that these use.
func (e *pyEmitter) helpers() ([]string, error) {
	need := map[string]bool{}
	var visit func(code string) error
	visit = func(code string) error {
		for _, m := range helperName.FindAllString(code, -1) {
			name := strings.TrimSuffix(m, "(")
			if need[name] {
				continue
			}
			if pyHelpers[name] == "" {
				return fmt.Errorf("no Python helper %s", name)
			}
			need[name] = true
			if err := visit(pyHelpers[name]); err != nil {
				return err
			}
		}
		return nil
	}
	if e.plan.Uses(Assert) {
		if err := visit("_settle("); err != nil {
			return nil, err
		}
	}
	for _, g := range e.plan.Programs {
		for i := range g.Calls {
			if err := visit(Calls[g.Calls[i].Op].Python); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(need)), nil
}

func (e *pyEmitter) ports() {
	for _, l := range []struct {
		name  string
		ports []Port
	}{{"INPUTS", e.plan.Inputs}, {"OUTPUTS", e.plan.Outputs}} {
		e.printf("\n%s = [  # name, dtype\n", l.name)
		for _, port := range l.ports {
			d, err := Storage(ElementDType(port.Type))
			if err != nil {
				e.err = err
			}
			e.printf("    (%s, %s),  # %s\n", pyString(port.Name), pyDType(d), port.Type)
		}
		e.printf("]\n")
	}
}

func (e *pyEmitter) consts() {
	e.printf("\n_c = [\n")
	for i := range e.plan.Consts {
		c := &e.plan.Consts[i]
		shape := strings.ReplaceAll(fmt.Sprint(c.Shape), " ", ", ")
		if c.Blob != nil && c.Blob.Path != "" {
			path, err := filepath.Abs(c.Blob.Path)
			if err != nil {
				e.err = err
			}
			e.printf("    _mapped(%s, %d, %d, %s, %s),  # %d\n", pyString(path), c.Offset, len(c.Data), shape, pyDType(c.DType), i)
			continue
		}
		e.printf("    %s,  # %d\n", pyLiteral(c, shape), i)
	}
	e.printf("]\n")
}

func pyLiteral(c *Constant, shape string) string {
	lit := c.literal(16)
	if strings.ContainsAny(lit, "<xN") || strings.Contains(lit, "Inf") || c.DType == ir.U64 { // bytes, bits, NaN, infinite or past int64
		return fmt.Sprintf("_bytes(%q, %s, %s)", base64.StdEncoding.EncodeToString(c.Data), shape, pyDType(c.DType))
	}
	lit = strings.NewReplacer("true", "True", "false", "False").Replace(lit)
	if len(c.Shape) < 2 {
		return fmt.Sprintf("mx.array(%s, %s)", lit, pyDType(c.DType))
	}
	return fmt.Sprintf("mx.array(%s, %s).reshape(%s)", lit, pyDType(c.DType), shape)
}

func (e *pyEmitter) program(id Prog) {
	g := e.plan.Programs[id]
	e.printf("\n\ndef %s(%s):\n", e.funcs[id], pyRegs(g.Params, "_%d", ", "))
	if globals := e.globals(g); len(globals) > 0 {
		e.printf("    global %s\n", strings.Join(globals, ", "))
	}
	for i := range g.Calls {
		c := &g.Calls[i]
		line := e.call(c)
		note := ""
		if len(c.Out) > 0 && g.Types[c.Out[0]].Kind != ir.NoType {
			note = " " + g.Types[c.Out[0]].String()
		}
		if n := e.plan.Loc(c.Loc).Node; n != "" {
			note += " " + strconv.Quote(n)
		}
		if note != "" {
			note = "  #" + note
		}
		e.printf("    %s%s\n", line, note)
	}
	e.printf("    return [%s]\n", pyRegs(g.Results, "None", ", "))
}

// globals are the symbols that g binds. Symbols are module variables, as the native side has one table of them.
func (e *pyEmitter) globals(g *Program) []string {
	set := map[string]bool{}
	for i := range g.Calls {
		if c := &g.Calls[i]; c.Op == ReadInts || c.Op == BindShape {
			for _, d := range c.Args[0].([]ir.Dim) {
				if d.Op() == ir.DimSym {
					set[e.syms[d]] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// main binds the symbols of the inputs; it trusts their shapes otherwise.
func (e *pyEmitter) main(setup string) {
	var binds []string
	seen := map[ir.Dim]bool{}
	for i, in := range e.plan.Inputs {
		for axis, d := range in.Type.Shape {
			if d.Op() == ir.DimSym && !seen[d] {
				seen[d] = true
				binds = append(binds, fmt.Sprintf("    %s = inputs[INPUTS[%d][0]].shape[%d]\n", e.syms[d], i, axis))
			}
		}
	}
	e.printf("\n\n_setup = None\n\n\ndef main(**inputs):\n    global _setup")
	for _, s := range e.plan.Symbols() {
		if seen[s] {
			e.printf(", %s", e.syms[s])
		}
	}
	e.printf("\n%s    if _setup is None:\n        _setup = %s\n        mx.eval(_setup)\n", strings.Join(binds, ""), setup)
	e.printf("    outputs = %s(*[inputs[n] for n, _ in INPUTS], *_setup)\n", e.funcs[e.plan.Main])
	if e.plan.Uses(Assert) {
		e.printf("    _settle(outputs)\n")
	}
	e.printf("    return outputs\n")
}

var placeholder = regexp.MustCompile(`\{(\w+\*?)\}`)

func (e *pyEmitter) call(c *Call) string {
	info := &Calls[c.Op]
	code := placeholder.ReplaceAllStringFunc(info.Python, func(m string) string {
		return e.fill(c, m[1:len(m)-1])
	})
	switch {
	case len(c.Out) == 0:
		return code
	case info.Out == 1:
		return pyReg(c.Out[0]) + " = " + code
	}
	return pyRegs(c.Out, "_", ", ") + ", = " + code
}

func (e *pyEmitter) fill(c *Call, name string) string {
	if n, err := strconv.Atoi(strings.TrimSuffix(name, "*")); err == nil {
		if strings.HasSuffix(name, "*") {
			return pyRegs(c.In[min(n, len(c.In)):], "None", ", ")
		}
		if n >= len(c.In) {
			return "None"
		}
		return pyReg(c.In[n])
	}
	for i, p := range Calls[c.Op].Params {
		if p.Name == name {
			return e.arg(c, p.Kind, c.Args[i])
		}
	}
	e.err = fmt.Errorf("%s: no parameter %s for Python", c.Op, name)
	return ""
}

func (e *pyEmitter) arg(c *Call, k ParamKind, a any) string {
	switch a := a.(type) {
	case ir.Dim:
		return e.dim(a)
	case []ir.Dim:
		if k == SymbolsParam {
			return e.targets(a)
		}
		s := make([]string, len(a))
		for i, d := range a {
			s[i] = e.dim(d)
		}
		return "[" + strings.Join(s, ", ") + "]"
	case float64:
		return pyFloat(a)
	case ir.DType:
		return pyDType(a)
	case bool:
		return map[bool]string{true: "True", false: "False"}[a]
	case string:
		return pyString(a)
	case Prog:
		return e.funcs[a]
	}
	e.err = fmt.Errorf("%s: unexpected %T", c.Op, a)
	return ""
}

// targets is the left side of an assignment to symbols, where _ takes what is not bound.
func (e *pyEmitter) targets(dims []ir.Dim) string {
	s := make([]string, len(dims))
	for i, d := range dims {
		s[i] = "_"
		if d.Op() == ir.DimSym {
			s[i] = e.syms[d]
		}
	}
	return "[" + strings.Join(s, ", ") + "]"
}

func (e *pyEmitter) dim(d ir.Dim) string {
	switch d.Op() {
	case ir.DimConst:
		return d.String()
	case ir.DimSym:
		return e.syms[d]
	case ir.DimSum:
		return e.sum(d)
	}
	a, b := e.dim(d.Args()[0]), e.dim(d.Args()[1])
	switch d.Op() {
	case ir.DimDiv:
		return "(" + a + ") // (" + b + ")"
	case ir.DimMod:
		return "(" + a + ") % (" + b + ")"
	case ir.DimMin:
		return "min(" + a + ", " + b + ")"
	}
	return "max(" + a + ", " + b + ")"
}

func (e *pyEmitter) sum(d ir.Dim) string {
	var terms []string
	for _, t := range d.Terms() {
		var f []string
		if t.Coef != 1 || len(t.Factors) == 0 {
			f = append(f, strconv.FormatInt(t.Coef, 10))
		}
		for _, x := range t.Factors {
			s := e.dim(x)
			if x.Op() == ir.DimDiv || x.Op() == ir.DimMod {
				s = "(" + s + ")"
			}
			f = append(f, s)
		}
		terms = append(terms, strings.Join(f, " * "))
	}
	return strings.Join(terms, " + ")
}

func pyReg(r Reg) string {
	if r < 0 {
		return "None"
	}
	return "r" + strconv.Itoa(int(r))
}

// pyRegs joins registers; absent ones are written as absent, with their place where that has a %d.
func pyRegs(regs []Reg, absent, sep string) string {
	s := make([]string, len(regs))
	for i, r := range regs {
		if s[i] = pyReg(r); r < 0 {
			s[i] = strings.Replace(absent, "%d", strconv.Itoa(i), 1)
		}
	}
	return strings.Join(s, sep)
}

func pyDType(d ir.DType) string { return "mx." + dtypeNames[dtypeCode[d]].name }

func pyFloat(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "float(" + strconv.Quote(strconv.FormatFloat(f, 'g', -1, 64)) + ")"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// pyString is a Python literal: strconv's escapes are a subset of Python's.
func pyString(s string) string { return strconv.QuoteToASCII(s) }

// Uses reports whether p has a call of that kind.
func (p *Plan) Uses(op CallID) bool {
	return slices.ContainsFunc(p.Programs, func(g *Program) bool {
		return slices.ContainsFunc(g.Calls, func(c Call) bool { return c.Op == op })
	})
}
