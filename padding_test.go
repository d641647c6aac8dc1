package emily_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// Without padding, tokens are all that a decoder takes.
func ExampleWithoutPadding() {
	model, err := emily.Load(zooDecoder, emily.WithoutPadding())
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	ctx := context.Background()
	exe, err := model.Compile(ctx, emily.WithBackend(emily.Interpreter))
	if err != nil {
		log.Fatal(err)
	}
	defer exe.Close()
	session, err := exe.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	for _, ids := range [][]int64{{2, 7, 1, 8}, {2}} {
		outputs, err := session.Run(ctx, map[string]ir.Datum{"input_ids": ir.TensorFrom(ids, 1, len(ids))})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.Len(), outputs["logits"].Type())
	}
	// Output:
	// 4 f32[1, 4, 1000]
	// 5 f32[1, 1, 1000]
}

// caching is a decoder in small: y says what its mask and positions are.
const caching = `module "m"
func @main(%%ids: f32[b, s], %s, %%p: f32[b, n]) -> (y: i64[%s], z: f32[b, n + s]) {
  %%0 = concat %%p, %%ids {axis = 1} : f32[b, n + s]
  %%1 = add %s, %s : i64[%s]
  yield %%1, %%0
}
`

func TestWithoutPadding(t *testing.T) {
	load := func(param, shape, v string) (*emily.Model, error) {
		path := filepath.Join(t.TempDir(), "m.eir")
		if err := os.WriteFile(path, fmt.Appendf(nil, caching, param, shape, v, v, shape), 0o666); err != nil {
			t.Fatal(err)
		}
		return emily.Load(path, emily.WithoutPadding())
	}
	for _, c := range []struct {
		param, shape string
		want         string // of the error, or 2·value after 2 of 3 tokens
	}{
		{"%attention_mask: i64[b, t]", "b, t", "i64[1, 5] [2 2 2 2 2]"},
		{"%attention_mask: i64[b, n + s]", "b, n + s", "i64[1, 5] [2 2 2 2 2]"},
		{"%attention_mask: i64[c, t]", "c, t", "i64[1, 5] [2 2 2 2 2]"},
		{"%position_ids: i64[b, s]", "b, s", "i64[1, 3] [4 6 8]"},
		{"%position_ids: i64[1, t]", "1, t", "i64[1, 3] [4 6 8]"},
		{"%position_ids: i64[b, t], %attention_mask: i64[b, t]", "b, t", "size t of the input \"attention_mask\" cannot be"},
		{"%position_ids: i64[t]", "t", `the input "position_ids" is i64[t], not integers for each sequence and token`},
		{"%mask: i64[b, s]", "b, s", "no input is called attention_mask or position_ids"},
	} {
		m, err := load(c.param, c.shape, strings.SplitN(c.param, ":", 2)[0])
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %s", c.param, err, c.want)
			}
			continue
		}
		exe, err := m.Compile(context.Background(), emily.WithBackend(emily.Interpreter), emily.WithVerifier())
		if err != nil {
			t.Fatalf("%s: %v", c.param, err)
		}
		out, err := exe.Run(context.Background(), map[string]ir.Datum{"ids": ir.NewTensor(ir.F32, 1, 3), "p": ir.NewTensor(ir.F32, 1, 2)})
		if err != nil {
			t.Fatalf("%s: %v", c.param, err)
		}
		y := out["y"].(*ir.Tensor)
		if got := fmt.Sprint(y.Type(), ir.View[int64](y)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.param, got, c.want)
		}
	}
	if _, err := emily.Load("conformance/testdata/zoo/vit/model.onnx", emily.WithoutPadding()); err == nil || !strings.Contains(err.Error(), "no cache says how long the past is") {
		t.Errorf("a model without a cache: %v", err)
	}
}
