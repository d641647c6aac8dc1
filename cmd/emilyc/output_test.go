package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A bar is drawn over itself, and goes when the work ends.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out, total: 2}
	p.step("loss 3, 1.5 steps/s")
	p.step("loss 2, 1.5 steps/s")
	p.end()
	want := "\r\x1b[K[###############               ] 1/2 loss 3, 1.5 steps/s" +
		"\r\x1b[K[##############################] 2/2 loss 2, 1.5 steps/s" +
		"\r\x1b[K"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
