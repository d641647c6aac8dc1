package onnxgo

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
)

// usualOpset is that of onnx-go's own cases, which go back to opset 6.
const usualOpset = 10

// table is what can be imported: the since_versions of each operator, ascending, by domain.
var table = sync.OnceValue(func() map[string]map[string][]int64 {
	t := map[string]map[string][]int64{}
	for _, o := range onnx.Ops() {
		if t[o.Op] == nil {
			t[o.Op] = map[string][]int64{}
		}
		t[o.Op][o.Domain] = append(t[o.Op][o.Domain], o.Since)
	}
	for _, domains := range t {
		for _, since := range domains {
			slices.Sort(since)
		}
	}
	return t
})

func hasOp(name string) bool { return table()[name] != nil }

// resolve finds the domain of an operator in an opset, and the version that it then has: ai.onnx where that has it and
// does not deprecate it, else another domain that has it, in its newest version. It reports whether there is one.
func resolve(op string, opset int64) (domain string, since int64, ok bool) {
	domains := table()[op]
	if list := domains[""]; len(list) > 0 && list[0] <= opset {
		if s, ok := schema.Lookup("", op, opset); ok && !s.Deprecated {
			return "", s.Since, true
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(domains)) {
		if list := domains[domain]; domain != "" {
			return domain, list[len(list)-1], true
		}
	}
	return "", 0, false
}

// candidates are the opsets to try, best first. Of opsets that mean the same for every operator used, there is one.
func (b *Backend) candidates() []int64 {
	if b.opset != 0 {
		return []int64{b.opset}
	}
	var order, out []int64
	for v := int64(usualOpset); v >= 1; v-- {
		order = append(order, v)
	}
	for v := int64(usualOpset) + 1; v <= newest(); v++ {
		order = append(order, v)
	}
	seen := map[string]bool{}
	for _, v := range order {
		key, ok := b.meaning(v)
		if ok && !seen[key] {
			seen[key] = true
			out = append(out, v)
		}
	}
	if out == nil {
		return []int64{usualOpset} // the import says which operator it lacks
	}
	return out
}

// meaning is the versions of the operators used, in an opset.
func (b *Backend) meaning(opset int64) (key string, ok bool) {
	seen := map[string]bool{}
	for _, p := range b.ops {
		op := p.GetOpType()
		if seen[op] {
			continue
		}
		seen[op] = true
		domain, since, ok := resolve(op, opset)
		if !ok {
			return "", false
		}
		key += fmt.Sprintf("%s.%s-%d ", domain, op, since)
	}
	return key, true
}

var newest = sync.OnceValue(func() int64 {
	var v int64
	for _, o := range onnx.Ops() {
		if o.Domain == "" {
			v = max(v, o.Since)
		}
	}
	return v
})

// withDomains gives nodes their domains in an opset, and lists the versions to import.
func withDomains(ops []*pb.NodeProto, opset int64) []*pb.OperatorSetIdProto {
	versions := map[string]int64{"": opset}
	for _, p := range ops {
		domain, since, _ := resolve(p.GetOpType(), opset)
		p.Domain = &domain
		if domain != "" {
			versions[domain] = max(versions[domain], since)
		}
	}
	var imports []*pb.OperatorSetIdProto
	for domain, v := range versions {
		imports = append(imports, &pb.OperatorSetIdProto{Domain: &domain, Version: &v})
	}
	return imports
}
