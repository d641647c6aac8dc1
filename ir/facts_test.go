package ir

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// factTexts are modules as exporters' models become: what ops rely on follows from facts that were reduced, or came later.
var factTexts = map[string]string{
	"a size that facts make a difference": `module "m"
func @main(%x: f32[n]) -> (y: f32[n]) {
  fact eq max(-1*min(1, n) + n, 0) + 1, n
  %0 = const [1] : i64[1]
  %1 = const [9223372036854775807] : i64[1]
  %2 = slice %x, %0, %1 {axes = [0], steps = [1]} : f32[n - 1]
  %3 = const [1, 0] : i64[2]
  %4 = pad %2, %3, none {mode = "constant", axes = [0]} : f32[n]
  %5 = add %4, %x : f32[n]
  yield %5
}
`,
	"a size that is 1 at most": `module "m"
func @main(%x: f32[n], %z: f32[min(1, n)]) -> (y: f32[n]) {
  fact eq min(1, n), 1
  %0 = add %x, %z : f32[n]
  yield %0
}
`,
	"a bound whose sides became known": `module "m"
func @main(%x: f32[s], %w: f32[k]) -> (y: f32[k]) {
  fact le k, s
  fact eq s, 108
  %0 = dims {values = [k], scalar = true} : i64[]
  %1, %2 = topk %x, %0 {axis = 0} : f32[k], i64[k]
  yield %1
}
`,
}

func TestFactsFollow(t *testing.T) {
	for name, text := range factTexts {
		t.Run(name, func(t *testing.T) {
			m := parse(t, text)
			if err := Verify(m); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(text, m.String()); d != "" {
				t.Errorf("-text +printed:\n%s", d)
			}
		})
	}
}
