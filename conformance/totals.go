package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/lower/mlx"
)

// Totals say how a suite went: what docs/status.md is made of. They are kept in a file, a line for each operator and
// each reason, so that a change of what passes is seen in a diff.
type Totals struct {
	Lanes []string
	Ops   []OpTotal // by name; the models of several operators are one of its own
	Why   []Reason  // by lane, the most frequent first
}

// OpTotal counts the cases of an operator, and those that passed in each lane.
type OpTotal struct {
	Op     string // with its domain, as in ai.onnx.ml.Scaler; severalOps for models of several
	Cases  int
	Passed []int
}

// Reason is why cases failed in a lane, in words that leave out what differs between them. A case that failed in the
// first lane, the oracle, is counted there alone.
type Reason struct {
	Lane  string
	Cases int
	Text  string
}

const severalOps = "(several)"

// Total counts results.
func Total(results []Result) Totals {
	var t Totals
	ops := map[string]*OpTotal{}
	why := map[Reason]int{}
	for i := range results {
		r := &results[i]
		if t.Lanes == nil {
			for _, l := range r.Lanes {
				t.Lanes = append(t.Lanes, l.Lane)
			}
		}
		name := r.Op
		if name == "" {
			name = severalOps
		}
		if ops[name] == nil {
			ops[name] = &OpTotal{Op: name, Passed: make([]int, len(t.Lanes))}
		}
		ops[name].add(r)
		if l := firstFailed(r); l != nil && !r.Undecided {
			why[Reason{Lane: l.Lane, Text: generalReason(l.Err)}]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ops)) {
		t.Ops = append(t.Ops, *ops[name])
	}
	for r, n := range why {
		r.Cases = n
		t.Why = append(t.Why, r)
	}
	slices.SortFunc(t.Why, t.order)
	return t
}

func (o *OpTotal) add(r *Result) {
	o.Cases++
	for i, l := range r.Lanes {
		if (l.Err == nil || r.Undecided) && i < len(o.Passed) {
			o.Passed[i]++
		}
	}
}

func firstFailed(r *Result) *LaneResult {
	for i := range r.Lanes {
		if r.Lanes[i].Err != nil {
			return &r.Lanes[i]
		}
	}
	return nil
}

func (t *Totals) order(a, b Reason) int {
	if d := slices.Index(t.Lanes, a.Lane) - slices.Index(t.Lanes, b.Lane); d != 0 {
		return d
	}
	if d := b.Cases - a.Cases; d != 0 {
		return d
	}
	return strings.Compare(a.Text, b.Text)
}

// generalReason is an error without names, shapes and numbers.
func generalReason(err error) string {
	var differs *Difference
	var host *mlx.Unsupported
	var model *onnx.Error
	switch {
	case errors.As(err, &host):
		return fmt.Sprintf("%s: %s", host.Op.Kind, host.Reason)
	case errors.As(err, &differs):
		return "the result differs from the recorded one"
	case errors.As(err, &model) && model.Kind == onnx.Unsupported && model.Op != "":
		return "the importer does not do " + opName(model.Domain, model.Op)
	case errors.As(err, &model) && model.Tensor != "":
		return "the importer refuses a type"
	case errors.As(err, &model):
		return "the importer refuses " + opName(model.Domain, model.Op)
	}
	return "another error"
}

// opName is an operator with its domain, unless that is ai.onnx.
func opName(domain, op string) string {
	if domain == "" || domain == "ai.onnx" {
		return op
	}
	return domain + "." + op
}

// Sum adds up the operators.
func (t *Totals) Sum() OpTotal {
	sum := OpTotal{Passed: make([]int, len(t.Lanes))}
	for _, o := range t.Ops {
		sum.Cases += o.Cases
		for i, n := range o.Passed {
			sum.Passed[i] += n
		}
	}
	return sum
}

// Op finds an operator's total.
func (t *Totals) Op(name string) (OpTotal, bool) {
	i, ok := slices.BinarySearchFunc(t.Ops, name, func(o OpTotal, name string) int { return strings.Compare(o.Op, name) })
	if !ok {
		return OpTotal{}, false
	}
	return t.Ops[i], true
}

// WriteTo writes the file that ReadTotals reads.
func (t *Totals) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "# Made by emilyc conformance --totals. Do not edit.")
	fmt.Fprintln(&b, "lanes", strings.Join(t.Lanes, " "))
	for _, o := range t.Ops {
		fmt.Fprintf(&b, "op %s %d%s\n", o.Op, o.Cases, spaced(o.Passed))
	}
	for _, r := range t.Why {
		fmt.Fprintf(&b, "why %s %d %s\n", r.Lane, r.Cases, r.Text)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func spaced(list []int) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, " %d", n)
	}
	return b.String()
}

// ReadTotals reads what WriteTo wrote. The error names the line that is wrong.
func ReadTotals(path string) (*Totals, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t := &Totals{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if err := t.line(lines.Text()); err != nil {
			return nil, fmt.Errorf("%s:%d: %q: %w", path, n, clip(lines.Text()), err)
		}
	}
	return t, lines.Err()
}

// CheckTotals compares results with a file of totals.
func CheckTotals(path string, results []Result) error {
	want, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var got strings.Builder
	t := Total(results)
	if _, err := t.WriteTo(&got); err != nil || got.String() == string(want) {
		return err
	}
	return fmt.Errorf("%s is not what passes now: %s; write it again with --update", path, firstLineDiff(string(want), got.String()))
}

func (t *Totals) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "lanes":
		t.Lanes = strings.Fields(rest)
	case "op":
		o := OpTotal{Passed: make([]int, len(t.Lanes))}
		args := []any{&o.Op, &o.Cases}
		for i := range o.Passed {
			args = append(args, &o.Passed[i])
		}
		if _, err := fmt.Sscan(rest, args...); err != nil {
			return err
		}
		t.Ops = append(t.Ops, o)
	case "why":
		var r Reason
		if _, err := fmt.Sscan(rest, &r.Lane, &r.Cases); err != nil {
			return err
		}
		words := strings.SplitN(rest, " ", 3)
		r.Text = words[len(words)-1]
		t.Why = append(t.Why, r)
	}
	return nil
}
