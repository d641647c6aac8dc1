package conformance

import (
	"bufio"
	"embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// Expected are the cases that are known to fail, with the reason. Its file has a case and its reason on each line;
// lines that begin with # say more. A reason that begins with "rounding: " is that of a case which rounding decides: its result
// may differ, but not in the interpreter, and may not.
type Expected map[string]string

const byRounding = "rounding: "

// Undecided are the cases that rounding decides.
func (e Expected) Undecided() Expected {
	u := maps.Clone(e)
	maps.DeleteFunc(u, func(_, reason string) bool { return !strings.HasPrefix(reason, byRounding) })
	return u
}

// ReadExpected reads a list of expected failures.
func ReadExpected(path string) (Expected, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readExpected(path, f)
}

//go:embed testdata/expected/*.txt
var expectedFiles embed.FS

// KnownFailures are the expected failures of all suites: the lists in testdata/expected.
func KnownFailures() (Expected, error) {
	const dir = "testdata/expected"
	list, err := expectedFiles.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := Expected{}
	for _, entry := range list {
		f, err := expectedFiles.Open(dir + "/" + entry.Name())
		if err != nil {
			return nil, err
		}
		e, err := readExpected(entry.Name(), f)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, e)
	}
	return all, nil
}

func readExpected(path string, r io.Reader) (Expected, error) {
	e := Expected{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, reason, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%s: %s has no reason", path, name)
		}
		e[name] = strings.TrimSpace(reason)
	}
	return e, lines.Err()
}

// errPasses is what becomes of an expected failure that passes.
var errPasses = errors.New("passes, but is expected to fail: take it off the list")

// Apply marks expected failures. A case on the list that passes becomes a failure.
func (e Expected) Apply(results []Result) {
	for i := range results {
		r := &results[i]
		reason, listed := e[r.Case.Name]
		switch {
		case !listed:
		case strings.HasPrefix(reason, byRounding):
			if r.Undecided = !r.Passed() && differsOnMLX(r); r.Undecided {
				r.Expected = reason
			}
		case r.Passed():
			r.Lanes[0].Err = errPasses
		default:
			r.Expected = reason
		}
	}
}

// differsOnMLX reports whether what failed is the results of lanes that are not the interpreter's.
func differsOnMLX(r *Result) bool {
	return !slices.ContainsFunc(r.Lanes, func(l LaneResult) bool {
		var differs *Difference
		return l.Err != nil && (slices.Contains(interpreted, l.Lane) || !errors.As(l.Err, &differs))
	})
}

// interpreted are the lanes that the interpreter runs.
var interpreted = []string{"interp", "interp-opt", "roundtrip"}

// WriteExpected writes a list of what failed, with the reason that it has, or the first line of the first error.
func WriteExpected(w io.Writer, results []Result) error {
	for i := range results {
		r := &results[i]
		if r.Passed() {
			continue
		}
		if r.Expected != "" {
			if _, err := fmt.Fprintf(w, "%s %s\n", r.Case.Name, r.Expected); err != nil {
				return err
			}
			continue
		}
		for _, l := range r.Lanes {
			if l.Err == nil || errors.Is(l.Err, errPasses) {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s %s\n", r.Case.Name, reasonOf(r, l)); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// reasonOf is the error without the path of the model, which differs between machines.
func reasonOf(r *Result, l LaneResult) string {
	line, _, _ := strings.Cut(l.Err.Error(), "\n")
	return l.Lane + ": " + strings.ReplaceAll(line, r.Case.Model+": ", "")
}
