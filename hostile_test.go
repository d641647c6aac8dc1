package emily_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/passes"
)

// TestMutations damages good files. Whatever comes out either is an error, soon, or loads, compiles and runs.
func TestMutations(t *testing.T) {
	dir := t.TempDir()
	good := goodFiles(t, dir)
	rng := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(dir, "damaged")
	for name, data := range good {
		loaded := 0
		for range 300 {
			if err := os.WriteFile(path, damage(rng, data), 0o644); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if tryModel(path) {
				loaded++
			}
			if took := time.Since(start); took > 10*time.Second {
				kept := filepath.Join(os.TempDir(), "emily-slow-"+name)
				_ = os.Rename(path, kept)
				t.Fatalf("%s: took %v; see %s", name, took, kept)
			}
		}
		t.Logf("%s: %d of 300 loaded", name, loaded)
	}
}

// goodFiles are a model in each of its forms.
func goodFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	m := load(t, "conformance/testdata/zoo/vit/model.onnx")
	module, err := m.Module()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(module, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(dir, "good.safetensors")
	if err := emily.WriteBundle(module, bundle); err != nil {
		t.Fatal(err)
	}
	for _, b := range module.Blobs {
		b.Path, _ = filepath.Abs(b.Path)
	}
	files := map[string][]byte{"eir": []byte(module.String())}
	for name, path := range map[string]string{"safetensors": bundle, "onnx": m.Path()} {
		if files[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// damage changes some bytes, most of them in the first 64 KiB, or cuts the file short.
func damage(rng *rand.Rand, data []byte) []byte {
	out := append([]byte(nil), data...)
	if rng.IntN(8) == 0 {
		return out[:rng.IntN(len(out))]
	}
	for range 1 + rng.IntN(4) {
		at := rng.IntN(min(len(out), 1<<16))
		if rng.IntN(4) == 0 {
			at = rng.IntN(len(out))
		}
		switch rng.IntN(3) {
		case 0:
			out[at] = byte(rng.IntN(256))
		case 1:
			out[at] = "0123456789[]{}%,-\""[rng.IntN(18)]
		case 2:
			n := min(8, len(out)-at)
			copy(out[at:at+n], out[rng.IntN(len(out)-n):])
		}
	}
	return out
}

func tryModel(path string) bool {
	m, err := emily.Load(path)
	if err != nil {
		_ = err.Error()
		return false
	}
	defer m.Close()
	module, err := m.Module()
	if err != nil {
		return false
	}
	inputs, sizes, err := conformance.MakeInputs(module.Main(), conformance.InputOptions{})
	if err != nil || sizes == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	e, err := m.Compile(ctx, emily.WithBackend(emily.Interpreter))
	if err != nil {
		return true
	}
	defer e.Close()
	_, _ = e.RunOrdered(ctx, inputs)
	return true
}
