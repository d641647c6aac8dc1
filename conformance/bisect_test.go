package conformance

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/rewrite"
)

// TestBisectNamesRule: on every lane with passes a deliberately wrong rule among those of the pipeline is named, with the node that it spoils.
func TestBisectNamesRule(t *testing.T) {
	wrong := rewrite.Rule{Name: "wrong", Kinds: []ir.Kind{ir.Erf}, Rewrite: func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
		return rewrite.One(rw.Op(ir.Relu, nil, op.Args[0]))
	}}
	bad := passes.Pass{Name: "bad", Run: func(m *ir.Module, c *rewrite.Context) error { return rewrite.Apply(m, c, []rewrite.Rule{wrong}) }}
	right := passes.Default
	defer func() { passes.Default = right }()
	fuse := slices.IndexFunc(right, func(p passes.Pass) bool { return p.Name == "fuse" })
	passes.Default = slices.Insert(slices.Clone(right), fuse, bad)
	cases, err := Find(filepath.Join(zoo, "vit_ts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range available(t) {
		if _, ok := plainLane[l.Name]; !ok {
			continue
		}
		t.Run(l.Name, func(t *testing.T) {
			r := Run(t.Context(), cases, Options{Lanes: []Lane{l}, Rel: -1, Abs: -1, Bisect: true})[0]
			err := r.Lanes[0].Err
			for _, want := range []string{"bisection: results differ from step ", "bad/wrong rewrites erf", `node "/m/vit/layers.0/mlp/activation_fn/Erf"`} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		})
	}
}

// wrongOp is the interpreter with one op of another kind: what bisection has to find.
func wrongOp(node string) Lane {
	return Lane{Name: "wrong", Compile: func(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
		m.Main().Body.Walk(func(op *ir.Op) {
			if op.Location().Node == node && op.Kind == ir.Add {
				op.Kind = ir.Sub
			}
		})
		return lane(emily.WithBackend(emily.Interpreter), emily.WithPipeline())(ctx, m, o)
	}}
}

func TestBisect(t *testing.T) {
	cases, err := Find(filepath.Join(zoo, "vit"))
	if err != nil {
		t.Fatal(err)
	}
	model, err := emily.Load(cases[0].Model)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	m, err := model.Module()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, op := range m.Main().Body.Ops {
		node := strings.Clone(op.Location().Node)
		if op.Kind != ir.Add || found == 3 {
			continue
		}
		o := Options{Lanes: []Lane{AllLanes[0], wrongOp(node)}, Rel: -1, Abs: -1, Bisect: true}
		r := Run(t.Context(), cases, o)[0]
		if r.Passed() {
			continue // adds a bias or a mask of zeros
		}
		found++
		want := fmt.Sprintf("the first op that differs is model.onnx: node %q", node)
		if r.Lanes[1].Err == nil || !strings.Contains(r.Lanes[1].Err.Error(), want) {
			t.Errorf("%v, want %q", r.Lanes[1].Err, want)
		}
	}
	if found < 3 {
		t.Errorf("only %d adds make a difference", found)
	}
}
