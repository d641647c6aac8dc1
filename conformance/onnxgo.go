package conformance

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	upstream "github.com/owulveryck/onnx-go"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/onnxgo"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// onnxGoArchive holds the cases of github.com/owulveryck/onnx-go v0.5.0, as a test of frontends/onnx/onnxgo writes it.
const onnxGoArchive = "conformance/testdata/onnx-go.tar.gz"

// fetchONNXGo unpacks onnx-go's cases into the cache. They run through onnx-go's decoder and Emily's backend for it.
func fetchONNXGo(_ context.Context, log io.Writer) ([]Case, error) {
	root, err := unpackInCache("onnx-go", onnxGoArchive, log)
	if err != nil {
		return nil, err
	}
	return onnxGoCases(root)
}

// unpackInCache unpacks an archive of the source tree into a folder of the cache that its content names, unless it is there.
func unpackInCache(suite, name string, log io.Writer) (string, error) {
	archive, err := inSourceTree(name)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(archive)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	root := filepath.Join(cache, "emily", "suites", fmt.Sprintf("%s-%.8x", suite, sha256.Sum256(data)))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	fmt.Fprintf(log, "unpacking %s\n", name)
	return root, unpackArchive(archive, root)
}

func onnxGoCases(root string) ([]Case, error) {
	cases, err := Find(root)
	for i := range cases {
		cases[i].Exec = runONNXGo
	}
	return cases, err
}

// unpackArchive fills a temporary folder that then becomes root.
func unpackArchive(archive, root string) error {
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(root), "unpack")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := untar(archive, tmp); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	if err := os.Rename(tmp, root); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

func untar(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = untarFile(root, h, r)
		}
		if err != nil {
			return err
		}
	}
}

func untarFile(root *os.Root, h *tar.Header, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(h.Name), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeLink {
		return root.Link(h.Linkname, h.Name)
	}
	w, err := root.Create(h.Name)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// runONNXGo runs a model through onnx-go, compiled by a lane.
func runONNXGo(ctx context.Context, path string, inputs map[string]ir.Datum, compile func(context.Context, *ir.Module) (Runner, error)) ([]ir.Datum, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := onnx.FromBytes(path, data)
	if err != nil {
		return nil, err
	}
	backend := onnxgo.New(onnxgo.WithName(filepath.Base(path)), onnxgo.WithCompiler(func(ctx context.Context, m *ir.Module) (onnxgo.Program, error) {
		return compile(ctx, m)
	}))
	defer backend.Close()
	model := upstream.NewModel(backend)
	if err := model.UnmarshalBinary(data); err != nil {
		return nil, decoderError(err)
	}
	if err := setInputs(model, file.Model.Graph, inputs); err != nil {
		return nil, err
	}
	if err := backend.RunContext(ctx); err != nil {
		return nil, err
	}
	tensors, err := model.GetOutputTensors()
	if err != nil {
		return nil, fmt.Errorf("onnx-go: %w", err)
	}
	outputs := make([]ir.Datum, len(tensors))
	for i, t := range tensors {
		dense, ok := t.(*gorgonia.Dense)
		if !ok {
			return nil, fmt.Errorf("output %d is %T", i, t)
		}
		if outputs[i], err = interp.FromGorgonia(dense); err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return outputs, nil
}

// decoderError leaves out the attribute's value, which onnx-go prints with its pointers.
func decoderError(err error) error {
	var missing *upstream.ErrNotImplemented
	if errors.As(err, &missing) && missing.AttributeName != "" {
		return fmt.Errorf("onnx-go: attribute %q: %s", missing.AttributeName, missing.Message)
	}
	return fmt.Errorf("onnx-go: %w", err)
}

func setInputs(model *upstream.Model, g *pb.GraphProto, inputs map[string]ir.Datum) error {
	for i, in := range g.Input {
		t, ok := inputs[in.GetName()].(*ir.Tensor)
		if !ok {
			continue
		}
		dense, err := interp.ToGorgonia(t)
		if err != nil {
			return err
		}
		if err := model.SetInput(i, dense); err != nil {
			return err
		}
	}
	return nil
}

// exec runs every lane by the case's Exec, and compares it with recorded outputs.
func (r *caseRun) exec(ctx context.Context) error {
	c := r.result.Case
	file, err := onnx.Open(c.Model)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, l := range r.Options.Lanes {
		r.result.Lanes = append(r.result.Lanes, LaneResult{Lane: l.Name})
	}
	var names []string
	for _, out := range file.Model.Graph.Output {
		names = append(names, out.GetName())
	}
	for _, dir := range c.DataSets {
		set, err := readDataSet(file.Model, dir)
		if err != nil {
			return err
		}
		for i, l := range r.Options.Lanes {
			res := &r.result.Lanes[i]
			if res.Err != nil {
				continue
			}
			start := time.Now()
			out, err := r.execLane(ctx, l, set.Inputs, res)
			res.Time += time.Since(start)
			if res.Err = err; err == nil {
				if d := Compare(names, out, set.Want, Golden.With(r.Rel, r.Abs)); d != nil {
					res.Err = d
				}
			}
		}
	}
	return nil
}

func (r *caseRun) execLane(ctx context.Context, l Lane, inputs map[string]ir.Datum, res *LaneResult) (out []ir.Datum, err error) {
	defer func() {
		if p := recover(); p != nil {
			err, res.Stack = fmt.Errorf("panic: %v", p), string(debug.Stack())
		}
	}()
	c := r.result.Case
	return c.Exec(ctx, c.Model, inputs, func(ctx context.Context, m *ir.Module) (Runner, error) {
		return l.Compile(ctx, m, r.Lane)
	})
}
