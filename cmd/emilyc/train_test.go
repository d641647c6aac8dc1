package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

const trainLine = `module "line"
func @main(%x: f32[n, 2]) -> (y: f32[n, 2]) {
  %0 = const [1, 0, 0, 1] : f32[2, 2] loc("w", "", 0)
  %1 = matmul %x, %0 : f32[n, 2]
  yield %1
}
`

// trainTo trains a line to that many steps in all, keeping its checkpoint in checkpoint.
func trainTo(ctx context.Context, model, checkpoint, out string, steps int, more ...string) error {
	root := newRoot()
	root.SetOut(new(bytes.Buffer))
	root.SetArgs(append([]string{"train", model, "--loss", "mse", "--data", "testdata/samples.npz", "--backend", "interp",
		"--steps", strconv.Itoa(steps), "--checkpoint", checkpoint, "-o", out}, more...))
	return root.ExecuteContext(ctx)
}

// A run that is interrupted loses no step: what goes on from it ends in the very file of one that was not.
func TestTrainInterrupted(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	model := in("line.eir")
	if err := os.WriteFile(model, []byte(trainLine), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- trainTo(ctx, model, in("cut"), in("none"), 1e9, "--checkpoint-every", "7") }()
	for _, err := os.Stat(in("cut")); err != nil; _, err = os.Stat(in("cut")) {
		select {
		case err := <-done:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	err := <-done
	if err == nil {
		t.Fatal("no error of an interrupted run")
	}
	found := regexp.MustCompile(`holds the (\d+) steps before: go on with --resume$`).FindStringSubmatch(err.Error())
	if found == nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(found[1])
	if err := trainTo(t.Context(), model, in("cut"), in("resumed.onnx"), n+3, "--resume"); err != nil {
		t.Fatal(err)
	}
	if err := trainTo(t.Context(), model, in("whole"), in("whole.onnx"), n+3); err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"cut", "whole"}, {"resumed.onnx", "whole.onnx"}} {
		if !bytes.Equal(contents(t, in(pair[0])), contents(t, in(pair[1]))) {
			t.Errorf("%s differs from %s after %d + 3 steps", pair[0], pair[1], n)
		}
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
