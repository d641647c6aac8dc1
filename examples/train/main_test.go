package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTrain(t *testing.T) {
	for name, task := range tasks {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			var out strings.Builder
			if err := task.train(t.Context(), &out, path); err != nil {
				t.Fatal(err)
			}
			right, err := task.accuracy(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if right < .97 {
				t.Errorf("%v of new samples are right, want 0.97; %s", right, &out)
			}
			if n := strings.Count(out.String(), "loss"); n != task.steps/50 {
				t.Errorf("%d losses: %s", n, &out)
			}
			task.steps = 1
			if err := task.train(t.Context(), &out, filepath.Join(path, "none")); err == nil {
				t.Error("a path that cannot be written is no error")
			}
		})
	}
}
