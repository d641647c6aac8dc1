package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// externalTensor is f32[2] with data elsewhere; kv are keys and values.
func externalTensor(kv ...string) *pb.TensorProto {
	tp := tensorOf("w", pb.TensorProto_FLOAT, 2)
	tp.DataLocation = pb.TensorProto_EXTERNAL.Enum()
	for i := 0; i < len(kv); i += 2 {
		tp.ExternalData = append(tp.ExternalData, &pb.StringStringEntryProto{Key: &kv[i], Value: &kv[i+1]})
	}
	return tp
}

// externalDir is a model's folder with weights.bin, and secret.bin beside the folder.
func externalDir(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	data := make([]byte, 4096+16)
	for i := range data {
		data[i] = byte(i)
	}
	dir := filepath.Join(top, "model")
	writeFile(t, dir, "weights.bin", data)
	writeFile(t, dir, "sub/more.bin", data[:8])
	writeFile(t, dir, "empty.bin", nil)
	secret := writeFile(t, top, "secret.bin", data)
	for link, to := range map[string]string{
		"inside.bin": "sub/more.bin", "outside.bin": "../secret.bin", "absolute.bin": secret,
		"loop.bin": "loop.bin", "dangling.bin": "nothing.bin", "up": "..",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo.bin"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openWith writes a model with tensor tp into dir and opens it.
func openWith(t *testing.T, dir string, tp *pb.TensorProto) (*File, *pb.TensorProto) {
	t.Helper()
	f, err := Open(writeFile(t, dir, "model.onnx", marshal(t, modelOf(tp))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, f.Model.Graph.Initializer[0]
}

func TestExternal(t *testing.T) {
	dir := externalDir(t)
	for _, tc := range []struct {
		name string
		kv   []string
		off  int64
		path string
	}{
		{"location only", []string{"location", "weights.bin"}, 0, "weights.bin"},
		{"all keys", []string{"location", "weights.bin", "offset", "4096", "length", "8", "checksum", "00"}, 4096, "weights.bin"},
		{"last byte", []string{"offset", "4104", "location", "weights.bin"}, 4104, "weights.bin"},
		{"subfolder", []string{"location", "sub/more.bin"}, 0, "sub/more.bin"},
		{"unclean", []string{"location", "./sub/../weights.bin"}, 0, "weights.bin"},
		{"symlink inside", []string{"location", "inside.bin"}, 0, "inside.bin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, tp := openWith(t, dir, externalTensor(tc.kv...))
			got, err := f.Tensor(tp)
			if err != nil {
				t.Fatal(err)
			}
			if got.Map == nil || got.Off != tc.off || got.Len != 8 || got.Map.Path != filepath.Join(dir, tc.path) {
				t.Fatalf("got a view of %+v at %d, %d bytes", got.Map, got.Off, got.Len)
			}
			want := []byte{0, 1, 2, 3, 4, 5, 6, 7}
			if tc.off == 4104 {
				want = []byte{8, 9, 10, 11, 12, 13, 14, 15}
			}
			if diff := cmp.Diff(want, got.Data()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again, err := f.Tensor(tp); err != nil || again.Map != got.Map {
				t.Errorf("second time: %v, a mapping of its own", err)
			}
		})
	}
}

func TestExternalInvalid(t *testing.T) {
	dir := externalDir(t)
	long := strings.Repeat("x/", 5000)
	for _, tc := range []struct {
		name  string
		kv    []string
		parts []string
	}{
		{"no location", nil, []string{"no location"}},
		{"empty location", []string{"location", ""}, []string{"no location"}},
		{"absolute", []string{"location", filepath.Join(dir, "weights.bin")}, []string{"absolute path", "model's folder"}},
		{"parent", []string{"location", "../secret.bin"}, []string{`"../secret.bin" is outside the model's folder`}},
		{"hidden parent", []string{"location", "sub/../../secret.bin"}, []string{"outside the model's folder"}},
		{"parent by symlink", []string{"location", "up/secret.bin"}, []string{`"up/secret.bin"`, "escapes", "regular file in the model's folder"}},
		{"symlink outside", []string{"location", "outside.bin"}, []string{"escapes"}},
		{"absolute symlink", []string{"location", "absolute.bin"}, []string{"escapes"}},
		{"symlink loop", []string{"location", "loop.bin"}, []string{"loop.bin"}},
		{"dangling symlink", []string{"location", "dangling.bin"}, []string{"no such file"}},
		{"missing", []string{"location", "nothing.bin"}, []string{`external data "nothing.bin"`, "no such file", "next to the model"}},
		{"directory", []string{"location", "sub"}, []string{"is a directory"}},
		{"the folder", []string{"location", "."}, []string{"is a directory"}},
		{"fifo", []string{"location", "fifo.bin"}, []string{"not a regular file"}},
		{"zero byte", []string{"location", "weights.bin\x00"}, []string{`weights.bin\x00`}},
		{"long", []string{"location", long}, []string{"…"}},
		{"location twice", []string{"location", "weights.bin", "location", "empty.bin"}, []string{`"location" twice`}},
		{"too short", []string{"location", "weights.bin", "offset", "4105"}, []string{`"weights.bin" has 4112 bytes, f32[2] at offset 4105 needs 8`}},
		{"empty", []string{"location", "empty.bin"}, []string{"has 0 bytes"}},
		{"offset past the end", []string{"location", "weights.bin", "offset", "9223372036854775807"}, []string{"has 4112 bytes"}},
		{"offset negative", []string{"location", "weights.bin", "offset", "-8"}, []string{"offset -8 is negative"}},
		{"offset overflows", []string{"location", "weights.bin", "offset", "9223372036854775808"}, []string{"out of range"}},
		{"offset no number", []string{"location", "weights.bin", "offset", "0x10"}, []string{`offset "0x10" is not a number`}},
		{"length negative", []string{"location", "weights.bin", "length", "-1"}, []string{"length -1 is negative"}},
		{"length overflows", []string{"location", "weights.bin", "length", "99999999999999999999"}, []string{"out of range"}},
		{"length empty", []string{"location", "weights.bin", "length", ""}, []string{`length "" is not a number`}},
		{"length too small", []string{"location", "weights.bin", "length", "4"}, []string{"has length 4, shape f32[2] needs 8"}},
		{"length too large", []string{"location", "weights.bin", "length", "16"}, []string{"has length 16, shape f32[2] needs 8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, tp := openWith(t, dir, externalTensor(tc.kv...))
			bounded(t, func() {
				_, err := f.Tensor(tp)
				wantError(t, err, External, append(tc.parts, `model.onnx: tensor "w": external data`)...)
			})
		})
	}
}

func TestExternalConflicts(t *testing.T) {
	dir := externalDir(t)
	raw, typed, str := externalTensor("location", "weights.bin"), externalTensor("location", "weights.bin"), externalTensor("location", "weights.bin")
	raw.RawData = make([]byte, 8)
	typed.FloatData = []float32{1, 2}
	str.DataType = ptr(int32(pb.TensorProto_STRING))
	inline := externalTensor("location", "weights.bin")
	inline.DataLocation = nil
	for _, tc := range []struct {
		t    *pb.TensorProto
		kind ErrorKind
		part string
	}{
		{raw, Invalid, "both raw data and external data"},
		{typed, Invalid, "both float_data and external data"},
		{str, Invalid, "strings cannot be external"},
		{inline, Missing, "with data_location EXTERNAL"},
	} {
		f, tp := openWith(t, dir, tc.t)
		_, err := f.Tensor(tp)
		wantError(t, err, tc.kind, tc.part)
	}
	f, tp := decoded(t, externalTensor("location", "weights.bin"))
	_, err := f.Tensor(tp)
	wantError(t, err, External, "has no folder", "open the model by its path")
}

func TestExternalConcurrent(t *testing.T) {
	f, tp := openWith(t, externalDir(t), externalTensor("location", "weights.bin"))
	var wg sync.WaitGroup
	maps := make([]*Mapping, 16)
	for i := range maps {
		wg.Go(func() {
			p, err := f.Tensor(tp)
			if err != nil {
				t.Error(err)
			}
			maps[i] = p.Map
		})
	}
	wg.Wait()
	for _, m := range maps {
		if m != maps[0] {
			t.Error("mapped more than once")
		}
	}
}
