package conformance

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Summary counts cases. Those that fail as expected are counted apart.
type Summary struct{ Passed, Failed, Expected int }

// Summarise counts the cases that passed and failed.
func Summarise(results []Result) Summary {
	var s Summary
	for i := range results {
		switch r := &results[i]; {
		case r.Passed():
			s.Passed++
		case r.Expected != "":
			s.Expected++
		default:
			s.Failed++
		}
	}
	return s
}

// String is the last line of every report.
func (s Summary) String() string {
	line := fmt.Sprintf("%d passed, %d failed", s.Passed, s.Failed)
	if s.Expected > 0 {
		line = fmt.Sprintf("%d failed as expected\n%s", s.Expected, line)
	}
	return line
}

// PrintTable writes a line for each case with a column for each lane, and then what failed and why.
func PrintTable(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range results {
		if i == 0 {
			fmt.Fprint(t, "case")
			for _, l := range r.Lanes {
				fmt.Fprintf(t, "\t%s", l.Lane)
			}
			fmt.Fprintln(t, "\ttime\t")
		}
		fmt.Fprint(t, r.Case.Name)
		for _, l := range r.Lanes {
			fmt.Fprintf(t, "\t%s", mark(l.Err))
		}
		fmt.Fprintf(t, "\t%s", r.Time.Round(time.Millisecond))
		for _, n := range r.Notes {
			fmt.Fprintf(t, "\t%s", n)
		}
		fmt.Fprintln(t, "\t")
	}
	return t.Flush()
}

func mark(err error) string {
	if err != nil {
		return "FAIL"
	}
	return "ok"
}

// PrintFailures writes what failed, a line for each distinct error of a case; with stacks of panics where verbose.
func PrintFailures(w io.Writer, results []Result, verbose bool) {
	for _, r := range results {
		if r.Expected != "" {
			continue
		}
		seen := map[string]bool{}
		for _, l := range r.Lanes {
			if l.Err == nil || seen[l.Err.Error()] {
				continue
			}
			seen[l.Err.Error()] = true
			fmt.Fprintf(w, "FAIL %s (%s): %v\n", r.Case.Name, l.Lane, l.Err)
			if verbose && l.Stack != "" {
				fmt.Fprintln(w, l.Stack)
			}
		}
	}
}

// PrintOps writes a line for each operator: how many of its cases passed.
func PrintOps(w io.Writer, results []Result) error {
	passed, all := map[string]int{}, map[string]int{}
	for i := range results {
		op := results[i].Op
		if op == "" {
			op = "(several)"
		}
		all[op]++
		if results[i].Passed() {
			passed[op]++
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "op\tpassed\tof\t")
	for _, op := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", op, passed[op], all[op])
	}
	return t.Flush()
}

// JSON is the machine-readable form of results.
type JSON struct {
	Passed   int        `json:"passed"`
	Failed   int        `json:"failed"`
	Expected int        `json:"failed_as_expected,omitempty"`
	Cases    []JSONCase `json:"cases"`
}

// JSONCase is one case of JSON.
type JSONCase struct {
	Name    string     `json:"name"`
	Model   string     `json:"model"`
	Op      string     `json:"op,omitempty"`
	Passed  bool       `json:"passed"`
	Expect  string     `json:"expected_failure,omitempty"`
	Notes   []string   `json:"notes,omitempty"`
	Seconds float64    `json:"seconds"`
	Lanes   []JSONLane `json:"lanes"`
}

// JSONLane is one lane of a JSONCase.
type JSONLane struct {
	Lane    string  `json:"lane"`
	Passed  bool    `json:"passed"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
}

// ToJSON converts results.
func ToJSON(results []Result) JSON {
	s := Summarise(results)
	out := JSON{Passed: s.Passed, Failed: s.Failed, Expected: s.Expected, Cases: []JSONCase{}}
	for i := range results {
		r := &results[i]
		c := JSONCase{Name: r.Case.Name, Model: r.Case.Model, Op: r.Op, Passed: r.Passed(), Expect: r.Expected, Notes: r.Notes, Seconds: r.Time.Seconds()}
		for _, l := range r.Lanes {
			c.Lanes = append(c.Lanes, JSONLane{l.Lane, l.Err == nil, errorText(l.Err), l.Time.Seconds()})
		}
		out.Cases = append(out.Cases, c)
	}
	return out
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    float64       `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes results in JUnit's XML, a test for each case and lane.
func WriteJUnit(w io.Writer, suite string, results []Result) error {
	s := junitSuite{Name: suite}
	for _, r := range results {
		for _, l := range r.Lanes {
			c := junitCase{Class: suite + "." + l.Lane, Name: r.Case.Name, Time: l.Time.Seconds()}
			if l.Err != nil {
				c.Failure = &junitFailure{Message: l.Err.Error(), Text: l.Stack}
				s.Failures++
			}
			s.Cases = append(s.Cases, c)
		}
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	return e.Encode(s)
}
