package mlx_test

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// decoder has three caches, and an input that is read besides.
const decoder = `module "decoder"
func @main(%x: f32[b, s], %k: f32[b, past], %v: f32[b, past], %read: f32[b, past], %other: f32[c, rest]) -> (y: f32[b, past + s], k2: f32[b, past + s], v2: f32[b, past + s], r2: f32[b, past + s], z: f32[b, past], o2: f32[b, rest + s]) {
  fact eq b, c
  %0 = concat %k, %x {axis = 1} : f32[b, past + s]
  %1 = neg %x : f32[b, s]
  %2 = concat %v, %1 {axis = 1} : f32[b, past + s]
  %3 = add %0, %2 : f32[b, past + s]
  %4 = concat %read, %x {axis = 1} : f32[b, past + s]
  %5 = relu %read : f32[b, past]
  %6 = concat %other, %x {axis = 1} : f32[b, rest + s]
  yield %3, %0, %2, %4, %5, %6
}
`

func TestLowerSession(t *testing.T) {
	p, err := mlx.LowerSession(parseIR(t, decoder), mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "session.plan", p.String())
	var b strings.Builder
	if err := p.EmitPython(&b); err == nil || !strings.Contains(err.Error(), "runs in a session") {
		t.Errorf("Python: %v", err)
	}
	if _, err := mlx.LowerSession(parseIR(t, islands), mlx.Options{}); err == nil {
		t.Error("a module with islands makes a session")
	}
	if _, err := mlx.LowerSession(parseIR(t, `module "m"
func @main(%x: f32[n]) -> (y: f32[n]) {
  %0 = neg %x : f32[n]
  yield %0
}`), mlx.Options{}); err == nil || !strings.Contains(err.Error(), "there is no cache") {
		t.Errorf("no cache: %v", err)
	}
}

// accumulator carries a sum, and a count that nothing else reads.
const accumulator = `module "accumulator"
func @main(%sum: f32[4], %x: f32[n, 4], %count: i64[]) -> (mean: f32[4], next: f32[4], more: i64[]) {
  %0 = reduce_sum %x {axes = [0]} : f32[4]
  %1 = add %sum, %0 : f32[4]
  %2 = const [1] : i64[]
  %3 = add %count, %2 : i64[]
  %4 = cast %3 {to = f32} : f32[]
  %5 = div %1, %4 : f32[4]
  yield %5, %1, %3
}
`

func TestLowerCarried(t *testing.T) {
	p, err := mlx.LowerCarried(parseIR(t, accumulator), []mlx.Carry{{Input: 0, Output: 1}, {Input: 2, Output: 2}}, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "carried.plan", p.String())
	bytes, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := mlx.Decode(bytes, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.String(), back.String()); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	if _, err := mlx.LowerCarried(parseIR(t, accumulator), []mlx.Carry{{Input: 1, Output: 1}}, mlx.Options{}); err == nil || !strings.Contains(err.Error(), "one type of known sizes") {
		t.Errorf("an input of a free size: %v", err)
	}
}
