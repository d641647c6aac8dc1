package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily/lower/mlx/runtime"
)

// TestTwins runs each hand-written model with the weights of a small one, and compares its output with Emily's.
func TestTwins(t *testing.T) {
	needMLX(t)
	for _, b := range []benchmark{
		{"distilbert", "distilbert", "distilbert:4", map[string]int64{"input_ids.0": 2, "input_ids.1": 9}},
		{"vit", "vit", "vit:4", map[string]int64{"pixel_values.0": 2}},
		{"whisper encoder", "whisper_encoder", "whisper-encoder:4", map[string]int64{"input_features.0": 2}},
		{"whisper decoder", "whisper_decoder", "whisper-decoder:4", map[string]int64{"decoder_input_ids.0": 2, "encoder_hidden_states.0": 2}},
		{"qwen3 prefill", "qwen3", "qwen3", decoder(5, 0)},
		{"qwen3 decode", "qwen3", "qwen3", decoder(1, 6)},
	} {
		t.Run(b.name, func(t *testing.T) {
			needs := "import onnx, mlx.nn"
			if strings.HasPrefix(b.twin, "qwen3") {
				needs = "import onnx, importlib.util as u; u.find_spec('mlx_lm').origin"
			}
			python(t, "-c", needs)
			var row strings.Builder
			if err := compare(context.Background(), &row, b, options{graphs: zoo, rounds: 1, runs: 1, engines: []string{"mlx"}}); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(row.String(), "–") && !strings.Contains(row.String(), "(") {
				t.Errorf("the twin did not run: %s", row.String())
			}
		})
	}
}

// TestSteps trains each hand-written model and the graph that it is of, where no parameter serves twice: the losses are equal.
func TestSteps(t *testing.T) {
	needMLX(t)
	for _, b := range []training{
		{benchmark{"distilbert", "distilbert", "distilbert:4", map[string]int64{"input_ids.0": 2, "input_ids.1": 9}}, "mse"},
		{benchmark{"vit", "vit", "vit:4", map[string]int64{"pixel_values.0": 2}}, "cross_entropy"},
	} {
		t.Run(b.name, func(t *testing.T) {
			python(t, "-c", "import onnx, mlx.optimizers")
			graphs := t.TempDir()
			if err := os.CopyFS(filepath.Join(graphs, b.name), os.DirFS(filepath.Join(zoo, b.name))); err != nil {
				t.Fatal(err)
			}
			path := b.path(graphs)
			python(t, filepath.Join("python", "unshare.py"), path, path)
			var row strings.Builder
			o := options{graphs: graphs, rate: 1e-2, rounds: 1, runs: 1, engines: []string{"mlx"}}
			if err := compareSteps(context.Background(), &row, b, o); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(row.String(), "(") {
				t.Errorf("the twin did not run: %s", row.String())
			}
		})
	}
}

var zoo = filepath.Join("..", "..", "conformance", "testdata", "zoo")

func needMLX(t *testing.T) {
	t.Helper()
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("skipped: %v", err)
	}
}

// python skips the test where Python cannot run that.
func python(t *testing.T, args ...string) {
	t.Helper()
	name := os.Getenv("EMILY_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, args...).Run(); err != nil {
		t.Skipf("skipped: python cannot %q", args)
	}
}

func TestRatios(t *testing.T) {
	own, other := [][]float64{{2, 3, 1}, {4, 4}, {1}}, [][]float64{{1}, {2, 2, 9}, {2}}
	if got := ratios(own, other); got != "2.00 (0.50–2.00)" {
		t.Error(got)
	}
	if got := ratios(own, nil); got != "–" {
		t.Error(got)
	}
}

func TestException(t *testing.T) {
	for stderr, want := range map[string]string{
		"killed\n": "killed",
		"a warning\nTraceback (most recent call last):\n  File \"x\", line 1\n    f()\n\nBackendError: no compiler\nfrom here\n\nSet VERBOSE=1 for more\n": "BackendError: no compiler",
	} {
		if got := exception(stderr); got != want {
			t.Errorf("%q of %q, want %q", got, stderr, want)
		}
	}
}
