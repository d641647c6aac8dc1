package ir

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// Attrs are the attributes of an op: nil, or a pointer to the struct that the kind names. Fields are tagged
// with their name in the text form, `ir:"axis"`; their types are int64, float64, bool, string, DType, Type,
// Dim, or a slice of int64, float64, string or Dim. A field of its zero value is not printed, unless its tag ends in
// ",always".
type Attrs any

type attrField struct {
	name   string
	always bool
	index  int
}

var attrFieldCache sync.Map // reflect.Type → []attrField

func attrFields(t reflect.Type) []attrField {
	if fs, ok := attrFieldCache.Load(t); ok {
		return fs.([]attrField)
	}
	var fs []attrField
	for i := range t.NumField() {
		tag, ok := t.Field(i).Tag.Lookup("ir")
		if !ok {
			continue
		}
		name, opt, _ := strings.Cut(tag, ",")
		fs = append(fs, attrField{name, opt == "always", i})
	}
	attrFieldCache.Store(t, fs)
	return fs
}

// FormatAttrs is the text form of a, `{axis = 0, keepdims = true}`; empty where there is nothing to say.
func FormatAttrs(a Attrs) string {
	if a == nil {
		return ""
	}
	v := reflect.ValueOf(a).Elem()
	var parts []string
	for _, f := range attrFields(v.Type()) {
		fv := v.Field(f.index)
		if fv.IsZero() && !f.always {
			continue
		}
		parts = append(parts, f.name+" = "+formatAttr(fv.Interface()))
	}
	if parts == nil {
		return ""
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func formatAttr(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return strconv.Quote(v)
	case []int64:
		return formatList(v)
	case []float64:
		return formatList(v)
	case []string:
		return formatList(v)
	case []Dim:
		return formatList(v)
	case DType:
		return v.String()
	case Type:
		return v.String()
	case Dim:
		return v.String()
	}
	panic(fmt.Sprintf("attribute of type %T", v))
}

func formatList[E any](list []E) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = formatAttr(e)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// formatFloat prints the shortest text that reads back as v; what would read as an integer gets a point.
func formatFloat(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// EqualAttrs compares attributes of the same kind, field by field. NaN differs from itself.
func EqualAttrs(a, b Attrs) bool {
	if a == nil || b == nil {
		return a == b
	}
	return reflect.DeepEqual(a, b)
}

// CloneAttrs is a copy whose fields can be set without changing a.
func CloneAttrs[T any](a *T) *T {
	c := *a
	return &c
}

// ConstAttrs view Len bytes at Off of a blob, or inline bytes, as a packed tensor of a type.
type ConstAttrs struct {
	Type    Type
	Blob    *Blob // nil for inline bytes
	Off     int64
	Len     int64
	Inline  []byte
	Strings []string // of a string constant
}

// Bytes are the packed elements.
func (a *ConstAttrs) Bytes() []byte {
	if a.Blob == nil {
		return a.Inline
	}
	return a.Blob.Data[a.Off : a.Off+a.Len]
}

// Tensor is the constant's value; it views the blob where the dtype is at least a byte wide.
func (a *ConstAttrs) Tensor() (*Tensor, error) {
	shape, ok := a.Type.Shape.Static()
	if !ok {
		return nil, fmt.Errorf("constant of symbolic type %s", a.Type)
	}
	if a.Type.DType == String {
		return &Tensor{DType: String, Shape: shape, Strings: a.Strings}, nil
	}
	return Unpack(a.Type.DType, shape, a.Bytes())
}

// The attribute structs, by the kinds that have them.
type (
	// DimsAttrs: dims makes an i64 tensor of symbolic sizes, 1-D or (with one value) a scalar.
	DimsAttrs struct {
		Values []Dim `ir:"values,always"`
		Scalar bool  `ir:"scalar"`
	}
	// CastAttrs: the dtype to convert to. Saturate is ONNX's saturate for 8-bit floats (default there: true).
	CastAttrs struct {
		To       DType  `ir:"to,always"`
		Saturate bool   `ir:"saturate"`
		Round    string `ir:"round"` // of f8e8m0: "up", "down" or "nearest"
	}
	// BitCastAttrs: the dtype, of the same width, that the bits are read as.
	BitCastAttrs struct {
		To DType `ir:"to,always"`
	}
	// RandomAttrs: the dtype of random numbers, f32 or f64, and what their generator starts from.
	RandomAttrs struct {
		DType DType `ir:"dtype,always"`
		Seed  int64 `ir:"seed,always"`
	}
	// ImageAttrs: Format is rgb, bgr or grayscale.
	ImageAttrs struct {
		Format string `ir:"format,always"`
	}
	// IsInfAttrs: which infinities count.
	IsInfAttrs struct {
		Negative bool `ir:"negative,always"`
		Positive bool `ir:"positive,always"`
	}
	// ModAttrs: the sign follows the divisor, or with Fmod the dividend.
	ModAttrs struct {
		Fmod bool `ir:"fmod"`
	}
	// GeluAttrs: the erf form, or its approximation by "tanh" or "sigmoid".
	GeluAttrs struct {
		Approximate string `ir:"approximate"`
	}
	// GLUAttrs: the activation of the gate, "silu" or "gelu", the latter with its approximation.
	GLUAttrs struct {
		Activation  string `ir:"activation,always"`
		Approximate string `ir:"approximate"`
	}
	// AlphaAttrs: the slope or scale of leaky_relu, elu, celu, thresholded_relu, …
	AlphaAttrs struct {
		Alpha float64 `ir:"alpha,always"`
		Beta  float64 `ir:"beta"` // of hard_sigmoid, and gamma of selu
	}
	// ReduceAttrs: the axes, sorted and not negative; none means no reduction.
	ReduceAttrs struct {
		Axes     []int64 `ir:"axes,always"`
		KeepDims bool    `ir:"keepdims"`
	}
	// ArgAttrs: argmax and argmin; Last prefers the last of equal elements.
	ArgAttrs struct {
		Axis     int64 `ir:"axis,always"`
		KeepDims bool  `ir:"keepdims"`
		Last     bool  `ir:"last"`
	}
	// CumAttrs: cumsum and cumprod along Axis.
	CumAttrs struct {
		Axis      int64 `ir:"axis,always"`
		Exclusive bool  `ir:"exclusive"`
		Reverse   bool  `ir:"reverse"`
	}
	// ReshapeAttrs: whether 0 in the target means the size 0 rather than the input's size there.
	ReshapeAttrs struct {
		AllowZero bool `ir:"allowzero"`
	}
	// PermAttrs: result axis i is operand axis Perm[i].
	PermAttrs struct {
		Perm []int64 `ir:"perm,always"`
	}
	// AxesAttrs: sorted, not negative; of the result for unsqueeze, of the operand for squeeze.
	AxesAttrs struct {
		Axes []int64 `ir:"axes,always"`
	}
	// AxisAttrs: one axis, not negative.
	AxisAttrs struct {
		Axis int64 `ir:"axis,always"`
	}
	// SliceAttrs: the axes that starts and ends speak of, and a step for each, not 0.
	SliceAttrs struct {
		Axes  []int64 `ir:"axes,always"`
		Steps []int64 `ir:"steps,always"`
	}
	// SplitAttrs: the sizes of the results along Axis.
	SplitAttrs struct {
		Axis  int64 `ir:"axis,always"`
		Sizes []Dim `ir:"sizes,always"`
	}
	// PadAttrs: constant, reflect, edge or wrap; Axes that pads speaks of.
	PadAttrs struct {
		Mode string  `ir:"mode,always"`
		Axes []int64 `ir:"axes,always"`
	}
	// TriluAttrs: keep the upper or the lower triangle.
	TriluAttrs struct {
		Upper bool `ir:"upper"`
	}
	// GatherNDAttrs: the number of leading axes that indices and data share.
	GatherNDAttrs struct {
		BatchDims int64 `ir:"batch_dims"`
	}
	// ScatterAttrs: Reduction is none, add, mul, max or min. Axis is of scatter_elements only.
	ScatterAttrs struct {
		Axis      int64  `ir:"axis"`
		Reduction string `ir:"reduction,always"`
	}
	// TopKAttrs: the greatest elements along Axis, or the smallest ones.
	TopKAttrs struct {
		Axis     int64 `ir:"axis,always"`
		Smallest bool  `ir:"smallest"`
	}
	// UniqueAttrs: of slices along Axis, or Flat, of elements; Sorted, or in the order in which they are first there.
	UniqueAttrs struct {
		Axis   int64 `ir:"axis"`
		Flat   bool  `ir:"flat"`
		Sorted bool  `ir:"sorted"`
	}
	// ConvAttrs: per spatial axis; Pads are all begins, then all ends, as in ONNX. NHWC: the operand is
	// channels-last and the weight OHWI.
	ConvAttrs struct {
		Strides   []int64 `ir:"strides,always"`
		Pads      []int64 `ir:"pads,always"`
		Dilations []int64 `ir:"dilations,always"`
		Groups    int64   `ir:"groups,always"`
		NHWC      bool    `ir:"nhwc"`
	}
	// PoolAttrs: per spatial axis, as ConvAttrs.
	PoolAttrs struct {
		Kernel          []int64 `ir:"kernel,always"`
		Strides         []int64 `ir:"strides,always"`
		Pads            []int64 `ir:"pads,always"`
		Dilations       []int64 `ir:"dilations,always"`
		CeilMode        bool    `ir:"ceil_mode"`
		CountIncludePad bool    `ir:"count_include_pad"`
		ColumnMajor     bool    `ir:"column_major"` // of max_pool's indices
		NHWC            bool    `ir:"nhwc"`
	}
	// NormAttrs: layer_norm and rms_norm normalise over the axes from Axis on; the others ignore Axis.
	NormAttrs struct {
		Axis    int64   `ir:"axis"`
		Epsilon float64 `ir:"epsilon,always"`
	}
	// AttentionAttrs: scores are q·kᵀ·Scale. Causal: of S keys, query i of L sees those up to i + S - L. Empty says what a
	// query gives that sees no key: NaN, "zero", or the "mean" of all values.
	AttentionAttrs struct {
		Scale  float64 `ir:"scale,always"`
		Causal bool    `ir:"causal"`
		Empty  string  `ir:"empty"`
	}
	// RopeAttrs: whether neighbours make a pair, or elements of the first half with those of the second.
	RopeAttrs struct {
		Interleaved bool `ir:"interleaved"`
	}
	// LoopAttrs: the number of loop-carried values; what remains of the operands is captured.
	LoopAttrs struct {
		Carried int64 `ir:"carried,always"`
	}
	// AssertAttrs: what it is an error of, as its text says it.
	AssertAttrs struct {
		Message string `ir:"message,always"`
	}
	// ScanAttrs: Carried state values, then one operand for each scanned input; the rest is captured.
	ScanAttrs struct {
		Carried      int64   `ir:"carried,always"`
		InputAxes    []int64 `ir:"input_axes,always"`
		InputReverse []int64 `ir:"input_reverse,always"` // 0 or 1
		OutputAxes   []int64 `ir:"output_axes,always"`
		OutputRev    []int64 `ir:"output_reverse,always"`
	}
)
