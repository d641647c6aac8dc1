package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/spf13/cobra"
)

// modelFlags are those of the verbs that take one model.
type modelFlags struct {
	dims      []string
	inputs    []string
	seed      uint64
	noPadding bool
}

const (
	dimHelp   = "bind a dimension: name=N, or input.axis=N"
	inputHelp = "an input: name=FILE.npy, FILE.pb, random, zeros, or a literal such as [[1,2]]"
)

func addDims(cmd *cobra.Command, dims *[]string) {
	cmd.Flags().StringArrayVarP(dims, "dim", "d", nil, dimHelp)
}

func (f *modelFlags) add(cmd *cobra.Command) {
	addDims(cmd, &f.dims)
	cmd.Flags().StringArrayVarP(&f.inputs, "input", "i", nil, inputHelp)
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "of random inputs")
	cmd.Flags().BoolVar(&f.noPadding, "no-padding", false, "of a decoder: make attention_mask and position_ids from the length of its cache")
}

// parseDims reads name=N.
func parseDims(cmd *cobra.Command, list []string) (map[string]int64, error) {
	dims := map[string]int64{}
	for _, s := range list {
		at := strings.LastIndexByte(s, '=')
		if at <= 0 {
			return nil, wrongUse(cmd, "-d %s: wants name=N", s)
		}
		n, err := strconv.ParseInt(s[at+1:], 10, 64)
		if err != nil || n < 0 {
			return nil, wrongUse(cmd, "-d %s: the size has to be a number from 0 up", s)
		}
		if old, twice := dims[s[:at]]; twice && old != n {
			return nil, wrongUse(cmd, "-d %s: the dimension is %d already", s, old)
		}
		dims[s[:at]] = n
	}
	return dims, nil
}

// loaded is a model with the program that its flags make of it.
type loaded struct {
	model  *emily.Model
	module *ir.Module
	given  map[string]ir.Datum // inputs given by -i
	zeros  map[string]bool
}

func (l *loaded) close() { _ = l.model.Close() }

// load opens the model, and binds the inputs that its import has to know.
func (f *modelFlags) load(cmd *cobra.Command, path string) (*loaded, error) {
	dims, err := parseDims(cmd, f.dims)
	if err != nil {
		return nil, err
	}
	opts := []emily.LoadOption{emily.WithDims(dims)}
	if f.noPadding {
		opts = append(opts, emily.WithoutPadding())
	}
	model, err := emily.Load(path, opts...)
	if err != nil {
		return nil, err
	}
	l := &loaded{model: model, given: map[string]ir.Datum{}, zeros: map[string]bool{}}
	if err := l.read(cmd, f.inputs); err != nil {
		l.close()
		return nil, err
	}
	if l.module, _, err = model.Specialise(l.given); err != nil {
		l.close()
		return nil, fmt.Errorf("%w (-i name=VALUE binds an input)", err)
	}
	return l, nil
}

// read reads the inputs that flags give.
func (l *loaded) read(cmd *cobra.Command, list []string) error {
	types := map[string]ir.Type{}
	var names []string
	for _, p := range l.model.Inputs() {
		types[p.Name] = p.Type
		names = append(names, strconv.Quote(p.Name))
	}
	for _, s := range list {
		name, spec, ok := cutInput(s, types)
		if !ok {
			return wrongUse(cmd, "-i %s: wants name=VALUE with one of the inputs %s", s, strings.Join(names, ", "))
		}
		switch spec {
		case "random":
		case "zeros":
			l.zeros[name] = true
		default:
			t, err := readInput(spec, types[name])
			if err != nil {
				return fmt.Errorf("input %q: %w", name, err)
			}
			l.given[name] = t
		}
	}
	return nil
}

// cutInput splits at the = after an input's name; names may hold one themselves.
func cutInput(s string, types map[string]ir.Type) (name, spec string, ok bool) {
	for i := range len(s) {
		if _, known := types[s[:i]]; known && s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// inputs are those given, and made ones for the rest.
func (l *loaded) inputs(seed uint64) ([]ir.Datum, *conformance.Sizes, error) {
	given := map[string]ir.Datum{}
	for _, in := range l.module.Main().Inputs() {
		if v, ok := l.given[in.Name]; ok {
			given[in.Name] = v
		}
	}
	return conformance.MakeInputs(l.module.Main(), conformance.InputOptions{Seed: seed, Given: given, Zeros: l.zeros})
}

// readInput reads a file or a literal of type t.
func readInput(spec string, t ir.Type) (ir.Datum, error) {
	switch ext := filepath.Ext(spec); {
	case ext == ".npy":
		return readNPY(spec, t)
	case ext == ".pb":
		return conformance.ReadDatum(spec, t)
	}
	return literalDatum(spec, t)
}

func readNPY(path string, t ir.Type) (*ir.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	want := ir.Invalid
	if t.IsTensor() {
		want = t.DType
	}
	x, err := interp.ReadNPYAs(f, want)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return x, nil
}

// literal reads nested lists of numbers, bools or strings.
func literal(text string, d ir.DType) (*ir.Tensor, error) {
	var v any
	if err := decodeNumbers([]byte(text), &v); err != nil {
		return nil, fmt.Errorf("%q is neither a .npy or .pb file, random, zeros, nor a literal such as 3.5 or [[1,2],[3,4]]", text)
	}
	p := literalParser{dtype: d}
	p.shape(v)
	n, err := ir.NumElements(p.dims)
	if err != nil {
		return nil, err
	}
	p.t = ir.NewTensor(d, p.dims...)
	if err := p.fill(v, 0); err != nil {
		return nil, err
	}
	if p.at != n {
		return nil, fmt.Errorf("the rows of %s differ in length", text)
	}
	return p.t, nil
}

// decodeNumbers decodes one JSON value, whose numbers stay as they are written.
func decodeNumbers(text []byte, v *any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(v)
	if err == nil && dec.More() {
		err = fmt.Errorf("%q has more after its value", text)
	}
	return err
}

type literalParser struct {
	dtype ir.DType
	dims  []int
	t     *ir.Tensor
	at    int
}

func (p *literalParser) shape(v any) {
	p.dims = []int{}
	for list, ok := v.([]any); ok; list, ok = v.([]any) {
		p.dims = append(p.dims, len(list))
		if len(list) == 0 {
			return
		}
		v = list[0]
	}
}

func (p *literalParser) fill(v any, depth int) error {
	list, ok := v.([]any)
	if !ok {
		if depth != len(p.dims) {
			return fmt.Errorf("an element where a list of %d belongs", p.dims[depth])
		}
		return p.element(v)
	}
	if depth >= len(p.dims) || len(list) != p.dims[depth] {
		return fmt.Errorf("lists of different lengths or depths")
	}
	for _, e := range list {
		if err := p.fill(e, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *literalParser) element(v any) error {
	i := p.at
	p.at++
	switch v := v.(type) {
	case bool:
		if p.dtype == ir.Bool {
			if v {
				p.t.Data[i] = 1
			}
			return nil
		}
	case string:
		if p.dtype == ir.String {
			p.t.Strings[i] = v
			return nil
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil && p.dtype.IsFloat() { // "nan", "inf"
			return p.float(i, f)
		}
	case json.Number:
		return p.number(i, v)
	}
	return fmt.Errorf("%v is no %s", v, p.dtype)
}

func (p *literalParser) number(i int, v json.Number) error {
	if p.dtype.IsFloat() {
		f, err := v.Float64()
		if err != nil {
			return err
		}
		return p.float(i, f)
	}
	if !p.dtype.IsInt() {
		return fmt.Errorf("%s is no %s", v, p.dtype)
	}
	bits := p.dtype.Bits()
	var n uint64
	var err error
	if p.dtype.Category() == ir.Unsigned {
		n, err = strconv.ParseUint(v.String(), 10, bits)
	} else {
		var s int64
		s, err = strconv.ParseInt(v.String(), 10, bits)
		n = uint64(s)
	}
	if err != nil {
		return fmt.Errorf("%s is no %s", v, p.dtype)
	}
	p.put(i, n)
	return nil
}

func (p *literalParser) float(i int, f float64) error {
	switch p.dtype {
	case ir.F64:
		p.put(i, math.Float64bits(f))
	case ir.F32:
		p.put(i, uint64(math.Float32bits(float32(f))))
	default:
		p.put(i, uint64(ir.EncodeFloat(p.dtype, f, false)))
	}
	return nil
}

func (p *literalParser) put(i int, v uint64) {
	size := p.dtype.Size()
	for k := range size {
		p.t.Data[i*size+k] = byte(v >> (8 * k))
	}
}
