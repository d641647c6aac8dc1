package emily

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/ir"
)

// A bundle is a safetensors file: the weights as its tensors, the program as .eir text in its metadata. Tensors of
// a page or more start on a page, so that a mapped file serves as the device's memory; the gaps are
// tensors themselves, because the format has none.
const (
	bundlePage    = 1 << 14 // of Apple's chips; a multiple of everybody else's
	bundleAlign   = 64      // of smaller tensors
	bundleVersion = "1"
	bundleProgram = "emily.program" // key of the program in the metadata
	bundleFormat  = "emily.version"
	bundleBlob    = "data" // name of the blob that is the file's data section
	bundleHere    = "."    // its path in the program's text
	maxHeader     = 100_000_000
	inlineLimit   = 1 << 10 // constants that are longer become tensors
)

// WriteBundle writes m as a bundle to path, which is replaced when all is written.
func WriteBundle(m *ir.Module, path string) error {
	b := &bundleWriter{tensors: map[bundleKey]int64{}, names: map[string]bool{}}
	c := m.Clone()
	for _, f := range c.Funcs {
		f.Body.Walk(b.constant)
	}
	size := b.pad(bundlePage)
	for _, a := range b.attrs {
		a.Blob = &ir.Blob{Name: bundleBlob}
	}
	header, err := b.header(programText(c, size))
	if err != nil {
		return err
	}
	return WriteFile(path, func(w io.Writer) error { return b.write(w, header) })
}

// bundleKey identifies bytes that constants share.
type bundleKey struct {
	blob     *ir.Blob
	off, len int64
	typ      string
}

type bundleTensor struct {
	name   string
	typ    ir.Type
	off    int64
	packed []byte
}

type bundleWriter struct {
	list    []bundleTensor
	tensors map[bundleKey]int64 // offsets of what is in list
	names   map[string]bool
	attrs   []*ir.ConstAttrs
	end     int64
}

// constant moves a constant's bytes into the bundle.
func (b *bundleWriter) constant(op *ir.Op) {
	a, ok := op.Attrs.(*ir.ConstAttrs)
	if !ok || a.Type.DType == ir.String || a.Blob == nil && len(a.Inline) <= inlineLimit {
		return
	}
	bytes := a.Bytes()
	a = ir.CloneAttrs(a)
	op.Attrs = a
	key := bundleKey{a.Blob, a.Off, a.Len, a.Type.String()}
	off, shared := b.tensors[key]
	if !shared || a.Blob == nil {
		align := int64(bundleAlign)
		if len(bytes) >= bundlePage {
			align = bundlePage
		}
		off = b.pad(align)
		b.add(b.nameOf(op), a.Type, bytes)
		b.tensors[key] = off
	}
	a.Off, a.Len, a.Inline = off, int64(len(bytes)), nil
	b.attrs = append(b.attrs, a)
}

func (b *bundleWriter) nameOf(op *ir.Op) string {
	name := op.Result().Name
	if name == "" {
		name = op.Location().Node
	}
	if name == "" {
		name = fmt.Sprintf("w%d", len(b.list))
	}
	return name
}

func (b *bundleWriter) add(name string, t ir.Type, bytes []byte) {
	unique := name
	for i := 2; b.names[unique] || unique == "__metadata__"; i++ {
		unique = fmt.Sprintf("%s.%d", name, i)
	}
	b.names[unique] = true
	b.list = append(b.list, bundleTensor{unique, t, b.end, bytes})
	b.end += int64(len(bytes))
}

// pad makes the end a multiple of align.
func (b *bundleWriter) pad(align int64) int64 {
	if n := -b.end & (align - 1); n > 0 {
		b.add(fmt.Sprintf("emily.pad.%d", len(b.list)), ir.TensorOf(ir.U8, ir.Size(n)), make([]byte, n))
	}
	return b.end
}

// programText prints c with the line of its one blob, whose bytes are not there yet, after the first.
func programText(c *ir.Module, size int64) string {
	c.Blobs = nil
	first, rest, _ := strings.Cut(c.String(), "\n")
	return fmt.Sprintf("%s\nblob @%s = file %q %d\n%s", first, bundleBlob, bundleHere, size, rest)
}

// safetensorsDTypes are the format's names of dtypes; what it lacks is stored as bytes, U8.
var safetensorsDTypes = map[ir.DType]string{
	ir.F64: "F64", ir.F32: "F32", ir.F16: "F16", ir.BF16: "BF16", ir.F8E4M3FN: "F8_E4M3", ir.F8E5M2: "F8_E5M2",
	ir.I64: "I64", ir.I32: "I32", ir.I16: "I16", ir.I8: "I8", ir.U64: "U64", ir.U32: "U32", ir.U16: "U16", ir.U8: "U8",
	ir.Bool: "BOOL",
}

type headerTensor struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// header is the JSON, filled up with spaces so that the data section starts on a page.
func (b *bundleWriter) header(program string) ([]byte, error) {
	h := map[string]any{"__metadata__": map[string]string{bundleFormat: bundleVersion, bundleProgram: program}}
	for _, t := range b.list {
		shape, ok := t.typ.Shape.Static()
		dtype, known := safetensorsDTypes[t.typ.DType]
		if !ok || !known {
			dtype, shape = "U8", []int{len(t.packed)}
		}
		h[t.name] = headerTensor{dtype, shape, [2]int64{t.off, t.off + int64(len(t.packed))}}
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if len(text) > maxHeader {
		return nil, fmt.Errorf("the program is too large for a bundle: %d bytes of text; use --emit ir", len(text))
	}
	for (len(text)+8)%bundlePage != 0 {
		text = append(text, ' ')
	}
	return text, nil
}

func (b *bundleWriter) write(w io.Writer, header []byte) error {
	if err := binary.Write(w, binary.LittleEndian, uint64(len(header))); err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range b.list {
		if _, err := w.Write(t.packed); err != nil {
			return err
		}
	}
	return nil
}

// isBundle recognises the length and opening brace of a safetensors header.
func isBundle(head []byte) bool {
	return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= maxHeader
}

// openBundle maps a bundle and parses the program in it.
func openBundle(path string) (source, error) {
	m, err := onnx.MapFile(path)
	if err != nil {
		return nil, err
	}
	s := &textSource{path: path, files: []*onnx.Mapping{m}}
	fail := func(format string, args ...any) (source, error) {
		return nil, errors.Join(fmt.Errorf(path+": "+format, args...), s.close())
	}
	n := binary.LittleEndian.Uint64(m.Data)
	if n > uint64(len(m.Data)-8) {
		return fail("the header ends past the file; compile the model again")
	}
	var header struct {
		Metadata map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(m.Data[8:8+n], &header); err != nil {
		return fail("bad header: %v", err)
	}
	program, ok := header.Metadata[bundleProgram]
	if v := header.Metadata[bundleFormat]; !ok || v != bundleVersion {
		return fail("no program of version %s in the metadata: tensors alone are no model", bundleVersion)
	}
	data := m.Data[8+n:]
	s.parsed, err = ir.Parse(program, ir.ParseOptions{Blob: func(name, at string, size int64) (*ir.Blob, error) {
		if at != bundleHere || size != int64(len(data)) {
			return nil, fmt.Errorf("%q of %d bytes is not this file's data of %d; compile the model again", at, size, len(data))
		}
		return &ir.Blob{Name: name, Path: path, Data: data}, nil
	}})
	if err != nil {
		return fail("%w", err)
	}
	viewFile(s.parsed, m.Data, int64(8+n))
	return s, s.check()
}

// viewFile makes the blob of the data section one of the whole file, so that its path and an offset say where bytes lie to all who read the file.
func viewFile(m *ir.Module, file []byte, at int64) {
	for _, f := range m.Funcs {
		f.Body.Walk(func(op *ir.Op) {
			if a, ok := op.Attrs.(*ir.ConstAttrs); ok && a.Blob != nil {
				a.Off += at
			}
		})
	}
	for _, b := range m.Blobs {
		b.Data = file
	}
}

// WriteFile has write fill a temporary file beside path, which then takes its name: path is there whole or not at all.
// A path that exists and is no regular file, such as /dev/stdout or a pipe, is written to directly.
func WriteFile(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeDirect(path, write)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no folder %s: make it, or name another", path, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func writeDirect(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
