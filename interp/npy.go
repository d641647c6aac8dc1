package interp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/emilyc/emily/ir"
)

// npyKinds are NumPy's type codes without byte order. Dtypes that NumPy itself does not know are written as raw
// bytes, V1 or V2, as np.save does for those of ml_dtypes; sub-byte elements take a byte each.
var npyKinds = map[ir.DType]string{
	ir.F64: "f8", ir.F32: "f4", ir.F16: "f2", ir.BF16: "V2",
	ir.F8E4M3FN: "V1", ir.F8E4M3FNUZ: "V1", ir.F8E5M2: "V1", ir.F8E5M2FNUZ: "V1", ir.F8E8M0: "V1", ir.F6E2M3: "V1", ir.F6E3M2: "V1", ir.F4E2M1: "V1",
	ir.I2: "V1", ir.I4: "V1", ir.U2: "V1", ir.U4: "V1",
	ir.I8: "i1", ir.I16: "i2", ir.I32: "i4", ir.I64: "i8", ir.U8: "u1", ir.U16: "u2", ir.U32: "u4", ir.U64: "u8",
	ir.Bool: "b1", ir.C64: "c8", ir.C128: "c16",
}

const npyMagic = "\x93NUMPY"

// WriteNPY writes t in NumPy's .npy format, version 1.0 (2.0 where the header is long), row-major and little-endian.
// Strings become NumPy's fixed-width unicode.
func WriteNPY(w io.Writer, t *ir.Tensor) error {
	descr, data, err := npyData(t)
	if err != nil {
		return err
	}
	dims := make([]string, len(t.Shape))
	for i, n := range t.Shape {
		dims[i] = strconv.Itoa(n) + ","
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.Join(dims, " "))
	prefix := []byte(npyMagic + "\x01\x00")
	width := 2
	if len(header) > 65000 {
		prefix[6], width = 2, 4
	}
	total := roundUp(len(prefix)+width+len(header)+1, 64)
	header += strings.Repeat(" ", total-len(prefix)-width-len(header)-1) + "\n"
	size := binary.LittleEndian.AppendUint32(nil, uint32(len(header)))
	for _, part := range [][]byte{prefix, size[:width], []byte(header), data} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("writing .npy: %w", err)
		}
	}
	return nil
}

func npyData(t *ir.Tensor) (descr string, data []byte, err error) {
	if t.DType == ir.String {
		return npyStrings(t)
	}
	kind, ok := npyKinds[t.DType]
	if !ok {
		return "", nil, fmt.Errorf(".npy of dtype %s", t.DType)
	}
	order := "<"
	if t.DType.Size() == 1 {
		order = "|"
	}
	return order + kind, t.Data, nil
}

func npyStrings(t *ir.Tensor) (string, []byte, error) {
	width := 1
	for _, s := range t.Strings {
		if !utf8.ValidString(s) || strings.HasSuffix(s, "\x00") {
			return "", nil, fmt.Errorf(".npy of string %q, which is not text", s)
		}
		width = max(width, utf8.RuneCountInString(s))
	}
	data := make([]byte, 4*width*len(t.Strings))
	for i, s := range t.Strings {
		at := data[4*width*i:]
		for k, r := range []rune(s) {
			binary.LittleEndian.PutUint32(at[4*k:], uint32(r))
		}
	}
	return fmt.Sprintf("<U%d", width), data, nil
}

var (
	npyDescr = regexp.MustCompile(`['"]descr['"]\s*:\s*['"]([<>|=])?([a-zA-Z])(\d+)['"]`)
	npyOrder = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*(True|False)`)
	npyShape = regexp.MustCompile(`['"]shape['"]\s*:\s*\(([\d,\sL]*)\)`)
)

// ReadNPY reads a .npy file of any version, byte order and element order. Raw bytes come as u8 and u16.
func ReadNPY(r io.Reader) (*ir.Tensor, error) { return ReadNPYAs(r, ir.Invalid) }

// ReadNPYAs is ReadNPY where the elements are to be of dtype want: raw bytes (V1, V2) and unsigned integers of its width
// are taken as its bits, every other difference is an error.
func ReadNPYAs(r io.Reader, want ir.DType) (*ir.Tensor, error) {
	header, err := npyHeader(r)
	if err != nil {
		return nil, err
	}
	descr, order, dims := npyDescr.FindStringSubmatch(header), npyOrder.FindStringSubmatch(header), npyShape.FindStringSubmatch(header)
	if descr == nil || order == nil || dims == nil {
		return nil, fmt.Errorf(".npy header %.200q", header)
	}
	t := &ir.Tensor{Shape: []int{}}
	for _, f := range strings.FieldsFunc(dims[1], func(r rune) bool { return r == ',' || r == ' ' || r == 'L' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf(".npy shape (%s)", dims[1])
		}
		t.Shape = append(t.Shape, n)
	}
	n, err := ir.NumElements(t.Shape)
	if err != nil {
		return nil, fmt.Errorf(".npy: %w", err)
	}
	width, err := strconv.Atoi(descr[3])
	if err != nil || width > 1<<20 {
		return nil, fmt.Errorf(".npy of type %s%s", descr[2], descr[3])
	}
	if descr[2] == "U" {
		err = readNpyStrings(r, t, n, width, descr[1] == ">")
	} else if t.DType, err = npyDType(descr[2]+descr[3], want); err == nil {
		if t.Data, err = readExactly(r, n, t.DType.Size()); err == nil && descr[1] == ">" {
			swapBytes(t)
		}
	}
	if err != nil {
		return nil, err
	}
	if want != ir.Invalid && t.DType != want {
		return nil, fmt.Errorf(".npy of %s, wants %s", t.DType, want)
	}
	if order[1] == "True" {
		return fromFortran(t), nil
	}
	return t, nil
}

func npyHeader(r io.Reader) (string, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:6]) != npyMagic {
		return "", fmt.Errorf("not a .npy file")
	}
	width := 2
	if head[6] > 1 {
		width = 4
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:width]); err != nil {
		return "", fmt.Errorf("truncated .npy header")
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > 1<<20 {
		return "", fmt.Errorf(".npy header of %d bytes", n)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", fmt.Errorf("truncated .npy header")
	}
	return string(header), nil
}

// npyDType is the dtype of a type code: the wanted one where it takes the code's bits.
func npyDType(kind string, want ir.DType) (ir.DType, error) {
	bits := map[string]int{"V1": 1, "V2": 2, "u1": 1, "u2": 2}[kind]
	if bits > 0 && want != ir.Invalid && want != ir.String && want.Size() == bits && (npyKinds[want][0] == 'V' || kind[0] == 'u' && want == ir.F16) {
		return want, nil
	}
	switch kind {
	case "V1":
		return ir.U8, nil
	case "V2":
		return ir.U16, nil
	}
	for d, k := range npyKinds {
		if k == kind {
			return d, nil
		}
	}
	return ir.Invalid, fmt.Errorf(".npy of type %s", kind)
}

// readExactly reads n elements; a file that is shorter than it says costs no more memory than it has.
func readExactly(r io.Reader, n, size int) ([]byte, error) {
	want := n * size
	var b bytes.Buffer
	b.Grow(min(want, 1<<26))
	got, err := io.Copy(&b, io.LimitReader(r, int64(want)))
	if err != nil {
		return nil, fmt.Errorf("reading .npy: %w", err)
	}
	if got != int64(want) {
		return nil, fmt.Errorf(".npy has %d bytes of data, its header says %d", got, want)
	}
	return b.Bytes(), nil
}

func readNpyStrings(r io.Reader, t *ir.Tensor, n, width int, big bool) error {
	data, err := readExactly(r, n, 4*width)
	if err != nil {
		return err
	}
	t.DType, t.Strings = ir.String, make([]string, n)
	for i := range t.Strings {
		var s strings.Builder
		for k := range width {
			at := data[4*(i*width+k):]
			c := binary.LittleEndian.Uint32(at)
			if big {
				c = binary.BigEndian.Uint32(at)
			}
			s.WriteRune(rune(c))
		}
		t.Strings[i] = strings.TrimRight(s.String(), "\x00")
	}
	return nil
}

func swapBytes(t *ir.Tensor) {
	size := t.DType.Size()
	if t.DType.Category() == ir.Complex {
		size /= 2
	}
	for at := 0; at+size <= len(t.Data); at += size {
		slices.Reverse(t.Data[at : at+size])
	}
}

// fromFortran is t, whose elements lie first axis fastest, in row-major order.
func fromFortran(t *ir.Tensor) *ir.Tensor {
	out := ir.NewTensor(t.DType, t.Shape...)
	back := slices.Clone(t.Shape)
	slices.Reverse(back)
	src := rowMajor(back)
	slices.Reverse(src)
	move(out, t, walk{shape: t.Shape, dst: rowMajor(t.Shape), src: src})
	return out
}
