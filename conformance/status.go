package conformance

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

const statusHead = `# Status

%[1]cmake status%[1]c writes this page from the tables of the importer, the interpreter and the lowering, and from what passes of
the suite %[1]c%[2]s%[1]c. The %[1]cmlx%[1]c lane runs without a host island. Do not edit it.

Imported are:

`

// WriteStatus writes docs/status.md: what is covered, as the tables say, and how many cases of a suite pass.
func WriteStatus(w io.Writer, list []Coverage, suite string, t *Totals) error {
	s := &status{list: list, suite: suite, totals: t}
	s.printf(statusHead, '`', suite)
	s.summary()
	for _, d := range domains(list) {
		s.domain(d)
	}
	s.reasons()
	_, err := io.WriteString(w, s.String())
	return err
}

type status struct {
	strings.Builder
	list   []Coverage
	suite  string
	totals *Totals
}

func (s *status) printf(format string, args ...any) { fmt.Fprintf(s, format, args...) }

func (s *status) summary() {
	s.row("domain", "operators", "versions")
	s.row("---", "--:", "--:")
	for _, d := range domains(s.list) {
		var ops, done, versions, rows int
		for _, c := range s.list {
			if c.Domain != d {
				continue
			}
			ops++
			if len(c.Imported) > 0 {
				done++
			}
			rows += len(c.Imported)
			versions += len(c.Imported) + len(c.Missing)
		}
		s.row(domainTitle(d), fmt.Sprintf("%d of %d", done, ops), fmt.Sprintf("%d of %d", rows, versions))
	}
	s.printf("\n")
	s.passed("Cases", s.totals.Sum())
	if several, ok := s.totals.Op(severalOps); ok {
		s.passed("Those of several operators", several)
	}
}

func (s *status) passed(what string, t OpTotal) {
	s.printf("%s: %d", what, t.Cases)
	for i, l := range s.totals.Lanes {
		s.printf(", %d pass on `%s`", t.Passed[i], l)
	}
	s.printf(".\n")
}

func domainTitle(d string) string {
	if d == "" {
		return "ai.onnx"
	}
	return d
}

// domain writes a table of the operators that are imported, and the names of those that are not.
func (s *status) domain(d string) {
	s.printf("\n## %s\n", domainTitle(d))
	var missing []string
	head := true
	for _, c := range s.list {
		if c.Domain != d {
			continue
		}
		if len(c.Imported) == 0 {
			missing = append(missing, c.Op)
			continue
		}
		if head {
			s.printf("\n")
			s.head()
			head = false
		}
		s.op(&c)
	}
	if len(missing) > 0 {
		s.printf("\nNot imported (%d): %s.\n", len(missing), strings.Join(missing, ", "))
	}
}

func (s *status) head() {
	cells := []string{"operator", "since", "kind", "interp", "mlx"}
	rule := []string{"---", "---", "---", "---", "---"}
	for _, l := range s.totals.Lanes {
		cells, rule = append(cells, l+" cases"), append(rule, "--:")
	}
	s.row(cells...)
	s.row(rule...)
}

func (s *status) op(c *Coverage) {
	since := Versions(c.Imported)
	if len(c.Missing) > 0 {
		since += "; not " + Versions(c.Missing)
	}
	cells := []string{c.Op, since, kindName(c.Kind), c.Interp(), c.MLX()}
	total, ok := s.totals.Op(c.Name())
	for i := range s.totals.Lanes {
		cell := ""
		if ok {
			cell = fmt.Sprintf("%d/%d", total.Passed[i], total.Cases)
		}
		cells = append(cells, cell)
	}
	s.row(cells...)
}

// kindName is what tables call a kind; an operator without one is composed of others.
func kindName(k ir.Kind) string {
	if k == ir.NoKind {
		return "(composed)"
	}
	return k.String()
}

func (s *status) row(cells ...string) { s.printf("| %s |\n", strings.Join(cells, " | ")) }

// reasons says why cases fail.
func (s *status) reasons() {
	s.printf("\n## Cases that fail\n\nA case that fails on several lanes is counted in the first.\n\n")
	s.row("lane", "cases", "reason")
	s.row("---", "--:", "---")
	for _, r := range s.totals.Why {
		s.row(r.Lane, strconv.Itoa(r.Cases), strings.ReplaceAll(r.Text, "|", `\|`))
	}
}
