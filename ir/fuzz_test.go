package ir

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/internal/cputime"
)

// FuzzParse holds that what parses prints as a text that parses to the same text, and that nothing panics.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"kinds.txtar", "hostile.txtar"} {
		for _, s := range archiveFiles(f, file) {
			f.Add(s)
		}
	}
	for _, s := range archiveFiles(f, "constraints.txtar") {
		f.Add(broken(s))
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text, ParseOptions{})
		if err != nil {
			return
		}
		once := m.String()
		again, err := Parse(once, ParseOptions{})
		if err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		if twice := again.String(); twice != once {
			t.Fatalf("%s\nbecomes\n%s", once, twice)
		}
	})
}

func archiveFiles(t testing.TB, name string) []string {
	var out []string
	for _, f := range archive(t, name) {
		out = append(out, string(f.Data))
	}
	return out
}

// repeated are texts that a small rule blows up.
func repeated() map[string]string {
	fn := func(body string) string { return "module \"t\"\nfunc @f(%x: f32[n]) -> () {\n" + body + "\nyield\n}\n" }
	many := func(n int, format string, sep string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(parts, sep)
	}
	return map[string]string{
		"regions":     fn(strings.Repeat("if %x region() {\n", 100_000)),
		"parentheses": fn("fact eq " + strings.Repeat("(", 100_000)),
		"signs":       fn("fact eq " + strings.Repeat("-", 1_000_000)),
		"types":       "module \"t\"\nfunc @f(%x: " + strings.Repeat("seq<", 100_000),
		"locations":   fn("%0 = abs %x : f32[n] " + strings.Repeat(`loc("", "", 0, from = [`, 100_000)),
		"identifier":  "module \"t\"\nfunc @" + strings.Repeat("f", 1_000_000) + "(",
		"spaces":      strings.Repeat(" ", 1_000_000),
		"sum":         fn("fact eq " + many(50_000, "s%d", " + ") + ", 1"),
		"difference":  fn("fact eq " + many(50_000, "s%[1]d - s%[1]d", " + ") + ", 1"),
		"product":     fn("fact eq " + many(50_000, "s%d", "*") + ", 1"),
		"power":       fn("fact eq ((a+b+c+d+e+f+g+h)**64)**64, 1"),
		"powers":      fn("fact eq " + many(5_000, "(a+b+c+d+%d)**9", " + ") + ", 1"),
		"calls":       fn("fact eq min(" + many(50_000, "s%d", ", ") + "), 1"),
		"nested min":  fn("fact eq " + strings.Repeat("min(a, max(b, ", 40) + "c" + strings.Repeat("))", 40) + ", 1"),
		"facts":       fn(many(10_000, "fact eq s%[1]d, t%[1]d + u%[1]d", "\n")),
		"doubling":    fn(many(2_000, "fact eq s%[1]d, s%[1]d0*s%[1]d0", "\n")),
		"chain":       fn(many(20_000, "fact eq past%[1]d, past%[1]d1", "\n")),
		"blobs":       "module \"t\"\n" + many(50_000, "blob @b%d = hex \"\"", "\n"),
		"functions":   "module \"t\"\n" + many(20_000, "func @f%d() -> () {\nyield\n}", "\n"),
		"ops":         fn("%0 = abs %x : f32[n]\n" + many(10_000, "%%%[1]d9 = concat %%x, %%0 {axis = 0} : f32[2*n]", "\n")),
		"operands":    fn("%0 = concat %x" + strings.Repeat(", %x", 50_000) + " {axis = 0} : f32[50001*n]"),
		"sizes":       "module \"t\"\nfunc @f(%x: f32[" + many(50_000, "s%d", ", ") + "]) -> () {\n%0 = reduce_sum %x {axes = []} : f32[1]\nyield\n}\n",
		"axes":        fn("%0 = unsqueeze %x {axes = [" + many(100_000, "%d", ", ") + "]} : f32[n]"),
		"attribute":   fn("%0 = transpose %x {perm = [" + many(100_000, "%d", ", ") + "]} : f32[n]"),
		"constant":    fn("%0 = const [] : f32[99999999999]"),
		"huge":        fn("%0 = const [9999999999] : i64[1]\n%1 = expand %x, %0 : f32[9999999999]\n%2 = tile %1, %0 : f32[u1]"),
	}
}

// TestParseBounded holds that no text of a megabyte takes long or much memory.
func TestParseBounded(t *testing.T) {
	for name, text := range repeated() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := cputime.Used(t)
			m, err := Parse(text, ParseOptions{})
			took := cputime.Used(t) - start
			runtime.ReadMemStats(&after)
			mib := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%d bytes: %v, %d MiB allocated", len(text), took.Round(time.Millisecond), mib)
			if took > 5*time.Second || mib > 200 { // a quarter of a second here, ten times that under the race detector
				t.Errorf("takes %v and allocates %d MiB", took, mib)
			}
			if err == nil && m.String() == "" {
				t.Error("prints nothing")
			}
			if err != nil && len(err.Error()) > 10_000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}
