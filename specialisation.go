package emily

import (
	"errors"
	"slices"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/ir"
)

// specialisation imports a model again and again, each time with what the last try said it needs.
type specialisation struct {
	model  *Model
	from   map[string]ir.Datum   // what the inputs are
	values map[string]*ir.Tensor // those that are bound
	dims   map[string]int64      // the sizes that are bound
	names  []string              // of the inputs that were bound here
}

func (s *specialisation) run() (*ir.Module, []string, error) {
	err := s.model.needs
	for s.bind(err) {
		var module *ir.Module
		if module, err = s.model.src.module(s.sizes(), s.values); err == nil {
			slices.Sort(s.names)
			return module, s.names, nil
		}
	}
	return nil, nil, err
}

// bind takes what err says is needed; it reports whether that is all there, and something new.
func (s *specialisation) bind(err error) bool {
	var needs *onnx.NeedsValue
	if !errors.As(err, &needs) {
		return false
	}
	progress := false
	for _, name := range needs.Sizes {
		if _, ok := s.dims[name]; ok {
			continue
		}
		n, ok := s.sizeOf(name)
		if !ok {
			return false
		}
		if s.dims == nil {
			s.dims = map[string]int64{}
		}
		s.dims[name], progress = n, true
	}
	for _, name := range needs.Inputs {
		if s.values[name] != nil {
			continue
		}
		t, ok := s.from[name].(*ir.Tensor)
		if !ok || t == nil {
			return false
		}
		if s.values == nil {
			s.values = map[string]*ir.Tensor{}
		}
		s.values[name], progress = t, true
		s.names = append(s.names, name)
	}
	return progress
}

// sizeOf finds the symbol among the axes of the inputs at hand.
func (s *specialisation) sizeOf(symbol string) (int64, bool) {
	for _, p := range s.model.inputs {
		t, ok := s.from[p.Name].(*ir.Tensor)
		if !ok || t == nil || len(t.Shape) != len(p.Type.Shape) {
			continue
		}
		if axis := slices.Index(p.Type.Shape, ir.Sym(symbol)); axis >= 0 {
			return int64(t.Shape[axis]), true
		}
	}
	return 0, false
}

// sizes are the bound ones, without those of axes of inputs that are bound: their values say them.
func (s *specialisation) sizes() map[string]int64 {
	out := map[string]int64{}
	for dim, n := range s.dims {
		said := slices.ContainsFunc(s.names, func(name string) bool { return strings.HasPrefix(dim, name+".") })
		if !said {
			out[dim] = n
		}
	}
	return out
}
