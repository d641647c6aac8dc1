package ir

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCaches: what is a cache, by what becomes of the inputs.
func TestCaches(t *testing.T) {
	for _, c := range []struct {
		name, params, results, body, yields string
		want                                string
	}{
		{"plain", "%p: f32[b, n], %x: f32[b, s]", "y: f32[b, n + s]", "%0 = concat %p, %x {axis = 1} : f32[b, n + s]", "%0", "[0>0 n]"},
		{"other name and use", "%x: f32[b, s], %p: f32[b, n]", "a: f32[b, n + s], y: f32[b, n + s]",
			"%0 = concat %p, %x {axis = 1} : f32[b, n + s]\n%1 = relu %0 : f32[b, n + s]", "%1, %0", "[1>1 n]"},
		{"in front", "%p: f32[b, n], %x: f32[b, s]", "y: f32[b, n + s]", "%1 = neg %x : f32[b, s]\n%0 = concat %1, %p {axis = 1} : f32[b, n + s]", "%0", "[]"},
		{"read besides", "%p: f32[b, n], %x: f32[b, s]", "y: f32[b, n + s], z: f32[b, n]",
			"%0 = concat %p, %x {axis = 1} : f32[b, n + s]\n%1 = relu %p : f32[b, n]", "%0, %1", "[]"},
		{"length of a number", "%p: f32[b, 4], %x: f32[b, s]", "y: f32[b, s + 4]", "%0 = concat %p, %x {axis = 1} : f32[b, s + 4]", "%0", "[]"},
		{"three", "%p: f32[b, n], %x: f32[b, s]", "y: f32[b, n + 2*s]", "%0 = concat %p, %x, %x {axis = 1} : f32[b, n + 2*s]", "%0", "[]"},
		{"size that a run finds", "%p: i64[1, n], %x: f32[s]", "y: i64[1, n + u0]", "%0 = nonzero %x : i64[1, u0]\n%1 = concat %p, %0 {axis = 1} : i64[1, n + u0]", "%1", "[]"},
		{"lengths that part", "%p: f32[b, n], %q: f32[b, n], %x: f32[b, s], %z: f32[b, r]", "y: f32[b, n + s], w: f32[b, n + r]",
			"%0 = concat %p, %x {axis = 1} : f32[b, n + s]\n%1 = concat %q, %z {axis = 1} : f32[b, n + r]", "%0, %1", "[0>0 n]"},
		{"narrower", "%p: f32[b, n], %x: f32[b, s]", "y: f32[b, n + s]",
			"%0 = cast %p {to = bf16} : bf16[b, n]\n%1 = cast %x {to = bf16} : bf16[b, s]\n%2 = concat %0, %1 {axis = 1} : bf16[b, n + s]\n%3 = cast %2 {to = f32} : f32[b, n + s]", "%3", "[0>0 n]"},
		{"wider", "%p: f16[b, n], %x: f32[b, s]", "y: f16[b, n + s]",
			"%0 = cast %p {to = f32} : f32[b, n]\n%1 = concat %0, %x {axis = 1} : f32[b, n + s]\n%2 = cast %1 {to = f16} : f16[b, n + s]", "%2", "[]"},
	} {
		m, err := Parse(fmt.Sprintf("module \"m\"\nfunc @main(%s) -> (%s) {\n%s\nyield %s\n}\n", c.params, c.results, c.body, c.yields), ParseOptions{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := []string{}
		for _, k := range Caches(m.Main()) {
			got = append(got, fmt.Sprintf("%d>%d %s", k.Input, k.Output, k.Length()))
		}
		if d := cmp.Diff(c.want, fmt.Sprint(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
