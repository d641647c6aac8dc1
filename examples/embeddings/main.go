// Command embeddings runs a text encoder over token ids and prints a unit vector for each row: the mean of the
// last hidden states.
//
//	go run ./examples/embeddings model.onnx 101,2023,102 101,2003,102
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: embeddings MODEL IDS…")
	}
	if err := embed(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// embed loads the model once and runs it on each list of ids.
func embed(w io.Writer, path string, rows []string) error {
	ctx := context.Background()
	model, err := emily.Load(path)
	if err != nil {
		return err
	}
	defer model.Close()
	exe, err := model.Compile(ctx)
	if err != nil {
		return err
	}
	defer exe.Close()
	for _, row := range rows {
		ids, mask, err := parse(row)
		if err != nil {
			return err
		}
		outputs, err := exe.Run(ctx, map[string]ir.Datum{
			"input_ids": ir.TensorFrom(ids, 1, len(ids)), "attention_mask": ir.TensorFrom(mask, 1, len(mask)),
		})
		if err != nil {
			return err
		}
		vector := pool(outputs[model.Outputs()[0].Name].(*ir.Tensor))
		fmt.Fprintf(w, "%d: %.4f …\n", len(vector), vector[:4])
	}
	return nil
}

func parse(row string) (ids, mask []int64, err error) {
	for field := range strings.SplitSeq(row, ",") {
		id, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, nil, err
		}
		ids, mask = append(ids, id), append(mask, 1)
	}
	return ids, mask, nil
}

// pool is the mean over the sequence of states f32[1, sequence, width], scaled to length 1.
func pool(states *ir.Tensor) []float64 {
	width := states.Shape[2]
	mean := make([]float64, width)
	for i, v := range ir.View[float32](states) {
		mean[i%width] += float64(v)
	}
	norm := 0.0
	for _, v := range mean {
		norm += v * v
	}
	for i := range mean {
		mean[i] /= math.Sqrt(norm)
	}
	return mean
}
