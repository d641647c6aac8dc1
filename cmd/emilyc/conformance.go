package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/spf13/cobra"
)

func newConformance(o *options) *cobra.Command {
	var f suiteFlags
	var filter, junit, expect, totals string
	var update bool
	cmd := &cobra.Command{
		Use:   "conformance [SUITE…]",
		Short: "Run the conformance suites",
		Long:  "Conformance runs suites of cases with recorded results, fetched on first use, and prints how many pass for each operator.\n\nSuites:\n",
		Args:  needs(0, -1, "SUITE"),
		Example: `emilyc conformance onnx
emilyc conformance onnx --lanes interp,mlx --filter 'softmax|gather'
emilyc conformance onnx --junit report.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := f.options(cmd)
			if err != nil {
				return err
			}
			match, err := regexp.Compile(filter)
			if err != nil {
				return wrongUse(cmd, "--filter: %v", err)
			}
			cases, err := suiteCases(cmd, args, match)
			if err != nil {
				return err
			}
			expected, err := conformance.KnownFailures()
			if expect != "" && !update {
				expected, err = conformance.ReadExpected(expect)
			}
			if err != nil {
				return err
			}
			results := runCases(cmd, o, cases, opts)
			if update {
				expected.Undecided().Apply(results)
				return updateRecords(cmd, expect, totals, results)
			}
			expected.Apply(results)
			if totals != "" {
				return conformance.CheckTotals(totals, results)
			}
			if junit != "" {
				suite := strings.Join(append([]string{"emilyc", "conformance"}, args...), ".")
				if err := emily.WriteFile(junit, func(w io.Writer) error { return conformance.WriteJUnit(w, suite, results) }); err != nil {
					return err
				}
			}
			return reportSuite(cmd, o, results)
		},
	}
	for _, s := range conformance.Suites {
		cmd.Long += fmt.Sprintf("  %-6s %s\n", s.Name, s.Doc)
	}
	f.add(cmd, "interp", 0, time.Minute)
	cmd.Flags().StringVar(&filter, "filter", "", "run only cases whose name matches this regular expression")
	cmd.Flags().StringVar(&junit, "junit", "", "write the results to this file, as JUnit XML")
	cmd.Flags().StringVar(&expect, "expect", "", "a list of cases that are known to fail, instead of those that come with the suites; one of them that passes is a failure")
	cmd.Flags().StringVar(&totals, "totals", "", "a record of how many cases of each operator pass, to judge by that: any change is a failure")
	cmd.Flags().BoolVar(&update, "update", false, "write the --expect and --totals files")
	return cmd
}

// updateRecords writes the files that a later run is compared with.
func updateRecords(cmd *cobra.Command, expect, totals string, results []conformance.Result) error {
	if expect == "" && totals == "" {
		return wrongUse(cmd, "--update: --expect FILE or --totals FILE is missing")
	}
	if expect != "" {
		err := emily.WriteFile(expect, func(w io.Writer) error { return conformance.WriteExpected(w, results) })
		if err != nil || totals == "" {
			return err
		}
	}
	t := conformance.Total(results)
	return emily.WriteFile(totals, func(w io.Writer) error { _, err := t.WriteTo(w); return err })
}

// suiteCases fetches the named suites, or all of them.
func suiteCases(cmd *cobra.Command, names []string, match *regexp.Regexp) ([]conformance.Case, error) {
	suites := conformance.Suites
	if len(names) > 0 {
		suites = nil
		for _, n := range names {
			s, ok := conformance.FindSuite(n)
			if !ok {
				return nil, wrongUse(cmd, "unknown suite %q", n)
			}
			suites = append(suites, s)
		}
	}
	var cases []conformance.Case
	for _, s := range suites {
		found, err := s.Fetch(cmd.Context(), cmd.ErrOrStderr())
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			if match.MatchString(c.Name) {
				cases = append(cases, c)
			}
		}
	}
	return cases, nil
}

func reportSuite(cmd *cobra.Command, o *options, results []conformance.Result) error {
	s := conformance.Summarise(results)
	err := o.print(cmd, conformance.ToJSON(results), func(w *writer) {
		conformance.PrintFailures(w, results, o.verbose)
		w.err = conformance.PrintOps(w, results)
		w.printf("%s\n", s)
	})
	if err == nil && s.Failed > 0 {
		err = errDiffers
	}
	return err
}
