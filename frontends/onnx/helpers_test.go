package onnx

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/internal/cputime"
)

func ptr[T any](v T) *T { return &v }

// tensorOf is a TensorProto without data.
func tensorOf(name string, d pb.TensorProto_DataType, dims ...int64) *pb.TensorProto {
	return &pb.TensorProto{Name: &name, DataType: ptr(int32(d)), Dims: dims}
}

func withRaw(t *pb.TensorProto, raw ...byte) *pb.TensorProto {
	t.RawData = raw
	return t
}

// modelOf is a model with initializers.
func modelOf(inits ...*pb.TensorProto) *pb.ModelProto {
	return &pb.ModelProto{IrVersion: ptr(int64(10)), Graph: &pb.GraphProto{Name: ptr("g"), Initializer: inits}}
}

type marshaler interface{ MarshalVT() ([]byte, error) }

func marshal(t testing.TB, m marshaler) []byte {
	t.Helper()
	b, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decoded sends a tensor through the wire, as the first initializer of a model.
func decoded(t testing.TB, tp *pb.TensorProto) (*File, *pb.TensorProto) {
	t.Helper()
	f, err := FromBytes("model.onnx", marshal(t, modelOf(tp)))
	if err != nil {
		t.Fatal(err)
	}
	return f, f.Model.Graph.Initializer[0]
}

func writeFile(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantError checks kind and text of an *Error.
func wantError(t testing.TB, err error, kind ErrorKind, parts ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	if e.Kind != kind {
		t.Errorf("%v: kind %v, want %v", err, e.Kind, kind)
	}
	if e.File == "" || e.Remedy == "" {
		t.Errorf("%v: file %q, remedy %q, want both", err, e.File, e.Remedy)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
	if len(err.Error()) > 600 {
		t.Errorf("error has %d bytes: %.100q…", len(err.Error()), err)
	}
}

// bounded fails the test if run takes more than a second or allocates more than 200 MiB. The second is the lesser of
// the clock's and the processor's, as a busy machine adds to the one and other goroutines to the other.
func bounded(t testing.TB, run func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, used := time.Now(), cputime.Used(t)
	run()
	took := min(time.Since(start), cputime.Used(t)-used)
	runtime.ReadMemStats(&after)
	if took > time.Second {
		t.Errorf("took %v, want at most 1s", took)
	}
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 200 {
		t.Errorf("allocated %d MiB, want at most 200", mib)
	}
}

// wire helpers: nested messages without the structs.
func wireBytes(num protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), body)
}

// nest wraps body n times: fields are the numbers from the outside in.
func nest(body []byte, n int, fields ...protowire.Number) []byte {
	size := 0
	for range n {
		size += 12 * len(fields)
	}
	// Written from the end, since every length depends on what it encloses.
	buf := make([]byte, size+len(body))
	at := len(buf) - len(body)
	copy(buf[at:], body)
	for range n {
		for i := len(fields) - 1; i >= 0; i-- {
			head := protowire.AppendVarint(protowire.AppendTag(nil, fields[i], protowire.BytesType), uint64(len(buf)-at))
			at -= len(head)
			copy(buf[at:], head)
		}
	}
	return buf[at:]
}
