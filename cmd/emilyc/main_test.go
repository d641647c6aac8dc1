package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExitCodes: 0, 1 where something failed, 2 on wrong use.
func TestExitCodes(t *testing.T) {
	add := filepath.Join(t.TempDir(), "add.eir")
	text := "module \"add\"\nfunc @main(%x: f32[n]) -> (y: f32[n]) {\n  %0 = add %x, %x : f32[n]\n  yield %0\n}\n"
	if err := os.WriteFile(add, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	quiet(t)
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"help"}, exitOK},
		{[]string{"verify", add}, exitOK},
		{[]string{"verify", "--help"}, exitOK},
		{[]string{"run", add, "--backend", "interp"}, exitOK},
		{[]string{"verify", "testdata/bad"}, exitFailed},
		{[]string{"verify", "no/such/model.onnx"}, exitFailed},
		{[]string{"run", add, "-i", "x=[[1]]", "--backend", "interp"}, exitFailed},
		{[]string{}, exitUsage},
		{[]string{"frobnicate"}, exitUsage},
		{[]string{"verify"}, exitUsage},
		{[]string{"verify", add, "--frob"}, exitUsage},
		{[]string{"verify", add, "--rtol", "much"}, exitUsage},
		{[]string{"verify", add, "--rtol"}, exitUsage},
		{[]string{"verify", add, "-d", "n"}, exitUsage},
		{[]string{"run", add, "-i", "nope=1"}, exitUsage},
		{[]string{"run", add, "--backend", "warp"}, exitUsage},
		{[]string{"compile", add}, exitUsage},
		{[]string{"compile", add, "-o", "x", "--emit", "exe"}, exitUsage},
		{[]string{"opt", add, "--passes", "no"}, exitUsage},
		{[]string{"bench", add, "-n", "0"}, exitUsage},
		{[]string{"conformance", "no"}, exitUsage},
		{[]string{"setup", "--mlx", "rocm"}, exitUsage},
		{[]string{"doctor", "x"}, exitUsage},
	} {
		if got := run(test.args); got != test.want {
			t.Errorf("emilyc %q: exit code %d, want %d", test.args, got, test.want)
		}
	}
}

// quiet sends what the command prints to nowhere.
func quiet(t *testing.T) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, errs := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = null, null
	t.Cleanup(func() {
		os.Stdout, os.Stderr = out, errs
		null.Close()
	})
}
