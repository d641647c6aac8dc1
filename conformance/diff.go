package conformance

import (
	"context"
	"io"
)

// diffArchive holds the cases that testdata/diff/make.py writes: single operators and small graphs over version × dtype ×
// shape. Each model's producer_name says whose results are recorded: onnxruntime's, onnx.reference's, or both's.
const diffArchive = "conformance/testdata/diff.tar.gz"

func fetchDiff(_ context.Context, log io.Writer) ([]Case, error) {
	root, err := unpackInCache("diff", diffArchive, log)
	if err != nil {
		return nil, err
	}
	return Find(root)
}
