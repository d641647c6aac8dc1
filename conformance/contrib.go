package conformance

import (
	"context"
	"io"
)

// contribArchive holds cases of onnxruntime's own operators, with its results; contrib.py beside it writes it.
const contribArchive = "conformance/testdata/contrib.tar.gz"

func fetchContrib(_ context.Context, log io.Writer) ([]Case, error) {
	root, err := unpackInCache("contrib", contribArchive, log)
	if err != nil {
		return nil, err
	}
	return Find(root)
}
