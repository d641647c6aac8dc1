package onnx

import (
	"slices"
	"sync"

	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// row says how an operator is imported, at the since_versions that mean the same to us. By the time that emit is called,
// the node is known to follow the operator's schema.
type row struct {
	domain   string
	op       string
	versions []int64
	emit     func(*Node) []*ir.Value
}

// since lists since_versions.
func since(versions ...int64) []int64 { return versions }

// tables are the rows of all families.
var tables = [][]row{
	constantRows, elementwiseRows, activationRows, reduceRows, shapeRows, indexRows, matmulRows, convRows, convTransposeRows, resizeRows, spatialRows, sampleRows, normRows, lossRows, quantRows, selectRows, attentionRows, einsumRows, recurrentRows, randomRows, signalRows, microsoftRows, contribRows, contribQuantRows, contribAttentionRows, contribMoERows, textRows, mlRows, mlClassifierRows, mlMapRows, trainingRows, sequenceRows, controlRows,
}

// OpVersion names a row: an operator and the version since which it means what it does.
type OpVersion struct {
	Domain string // "" is ai.onnx
	Op     string
	Since  int64
}

// Ops lists what can be imported, family by family.
func Ops() []OpVersion {
	var list []OpVersion
	for _, t := range tables {
		for _, r := range t {
			for _, since := range r.versions {
				list = append(list, OpVersion{r.domain, r.op, since})
			}
		}
	}
	return list
}

type opKey struct{ domain, op string }

type versioned struct {
	since int64
	row   *row
}

type rowIndex struct {
	ops     map[opKey][]versioned // by since, ascending
	domains map[string]bool
}

// index is filled once, from the tables.
var index = sync.OnceValue(func() *rowIndex {
	x := &rowIndex{map[opKey][]versioned{}, map[string]bool{}}
	for _, t := range tables {
		for i := range t {
			r := &t[i]
			key := opKey{r.domain, r.op}
			for _, since := range r.versions {
				x.ops[key] = append(x.ops[key], versioned{since, r})
			}
			x.domains[r.domain] = true
		}
	}
	for _, list := range x.ops {
		slices.SortFunc(list, func(a, b versioned) int { return int(a.since - b.since) })
	}
	return x
})

// find is the row for an operator in a version of its domain, and the version since which it holds.
//
// Errors: Unsupported, saying whether the domain, the operator or its version is the reason.
func (x *rowIndex) find(domain, op string, version int64) (versioned, error) {
	list := x.ops[opKey{domain, op}]
	switch {
	case len(list) == 0:
		return versioned{}, x.unknown(domain, op, version)
	case list[0].since > version:
		return versioned{}, tooNew(list[0].since, version)
	}
	for i := len(list) - 1; ; i-- {
		if list[i].since <= version {
			return list[i], nil
		}
	}
}

// unknown says why there is no row.
func (x *rowIndex) unknown(domain, op string, version int64) error {
	const remedy = "export without it, or give it as a function in the model"
	switch all := schema.Versions(domain, op); {
	case len(all) > 0 && all[0].Since > version:
		return tooNew(all[0].Since, version)
	case len(all) > 0:
		return errf(Unsupported, remedy, "Emily does not do this operator yet")
	case x.domains[domain]:
		return errf(Unsupported, remedy, "the operator is not known")
	}
	return errf(Unsupported, remedy, "no operators of domain %q are known", domainName(domain))
}

func tooNew(since, version int64) error {
	return errf(Invalid, "import a newer opset", "there is no such operator in opset %d; it came with %d", version, since)
}
