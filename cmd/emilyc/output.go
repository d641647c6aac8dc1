package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// options are the flags that all verbs have.
type options struct {
	json    bool
	verbose bool
}

// writer prints; the first error sticks.
type writer struct {
	*bufio.Writer
	err error
}

func (w *writer) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(w.Writer, format, args...); err != nil && w.err == nil {
		w.err = err
	}
}

// table prints rows of cells in columns.
func (w *writer) table(rows [][]string) {
	t := tabwriter.NewWriter(w.Writer, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(r, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil && w.err == nil {
		w.err = err
	}
}

// print writes v as JSON, or what text makes for people.
func (o *options) print(cmd *cobra.Command, v any, text func(*writer)) error {
	w := &writer{Writer: bufio.NewWriter(cmd.OutOrStdout())}
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		w.err = e.Encode(v)
	} else {
		text(w)
	}
	if err := w.Flush(); w.err == nil {
		w.err = err
	}
	return w.err
}

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	out   io.Writer
	total int
	done  int
	last  time.Time
}

func newProgress(total int) *progress {
	p := &progress{total: total}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		p.out = os.Stderr
	}
	return p
}

const barWidth = 30

func (p *progress) step(what string) {
	p.done++
	if p.out == nil || time.Since(p.last) < 50*time.Millisecond && p.done < p.total {
		return
	}
	p.last = time.Now()
	full := barWidth * p.done / max(1, p.total)
	fmt.Fprintf(p.out, "\r\x1b[K[%s%s] %d/%d %s", strings.Repeat("#", full), strings.Repeat(" ", barWidth-full), p.done, p.total, what)
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// bytesText is a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
