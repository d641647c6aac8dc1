package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/spf13/cobra"
)

// profileRuns is how many runs a profile is the mean of, at most.
const profileRuns = 10

// profileJSON is the time of a run that the ops of a kind take, of a node, or of a call of MLX; the other fields are empty.
type profileJSON struct {
	Kind    string  `json:"kind,omitempty"`
	Node    string  `json:"node,omitempty"`
	Call    string  `json:"call,omitempty"`
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	Share   float64 `json:"share"`
}

// profile runs the model call by call, and op by op in the interpreter.
func (r *benchResult) profile(cmd *cobra.Command, exe *emily.Executable, inputs []ir.Datum) error {
	runs := min(r.Runs, profileRuns)
	var all []emily.OpTime
	for range runs {
		times, err := exe.Profile(cmd.Context(), inputs)
		if err != nil {
			return err
		}
		all = append(all, times...)
	}
	r.Profile = profileBy(all, runs, func(t emily.OpTime) profileJSON { return profileJSON{Kind: kindName(t)} })
	r.Nodes = profileBy(all, runs, func(t emily.OpTime) profileJSON { return profileJSON{Kind: kindName(t), Node: nodeName(t.Loc)} })
	if r.Backend == string(emily.MLX) {
		r.Calls = profileBy(all, runs, func(t emily.OpTime) profileJSON { return profileJSON{Call: cmp.Or(t.Call, "(interpreter)")} })
	}
	return nil
}

func nodeName(l ir.Loc) string {
	if l.Node == "" || l.OpType == "" {
		return cmp.Or(l.Node, l.OpType)
	}
	return l.Node + " (" + l.OpType + ")"
}

func kindName(t emily.OpTime) string {
	if t.Kind == ir.NoKind {
		return "(plan)"
	}
	return t.Kind.String()
}

// profileBy sums what has the same key, the longest first; calls and seconds are those of one run.
func profileBy(times []emily.OpTime, runs int, key func(emily.OpTime) profileJSON) []profileJSON {
	sums := map[profileJSON]*profileJSON{}
	total := 0.0
	for _, t := range times {
		k := key(t)
		p := sums[k]
		if p == nil {
			p = &profileJSON{Kind: k.Kind, Node: k.Node, Call: k.Call}
			sums[k] = p
		}
		p.Calls += t.Runs
		p.Seconds += t.Time.Seconds()
		total += t.Time.Seconds()
	}
	var list []profileJSON
	for _, p := range sums {
		if total > 0 {
			p.Share = p.Seconds / total
		}
		p.Calls, p.Seconds = p.Calls/runs, p.Seconds/float64(runs)
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b profileJSON) int {
		return cmp.Or(cmp.Compare(b.Seconds, a.Seconds), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Call, b.Call))
	})
	return list
}

// profileRows is how many nodes are shown; --json has all.
const profileRows = 20

func (r *benchResult) printProfile(w *writer) {
	row := func(p profileJSON, names ...string) []string {
		return append(names, fmt.Sprint(p.Calls), fmt.Sprintf("%.3f ms", 1e3*p.Seconds), fmt.Sprintf("%.1f%%", 100*p.Share))
	}
	show := func(list []profileJSON, head []string, names func(profileJSON) []string) {
		rows := [][]string{append(head, "calls", "time", "share")}
		for _, p := range list[:min(len(list), profileRows)] {
			rows = append(rows, row(p, names(p)...))
		}
		w.printf("\n")
		w.table(rows)
		if more := len(list) - profileRows; more > 0 {
			w.printf("and %d more\n", more)
		}
	}
	show(r.Profile, []string{"op"}, func(p profileJSON) []string { return []string{p.Kind} })
	show(r.Nodes, []string{"node", "op"}, func(p profileJSON) []string { return []string{p.Node, p.Kind} })
	if len(r.Calls) > 0 {
		show(r.Calls, []string{"MLX call"}, func(p profileJSON) []string { return []string{p.Call} })
	}
}
