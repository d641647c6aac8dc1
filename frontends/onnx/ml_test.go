package onnx

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// mlModel is a model of one ai.onnx.ml node.
func mlModel(t *testing.T, n *pb.NodeProto, in ...*pb.ValueInfoProto) *File {
	t.Helper()
	var outs []*pb.ValueInfoProto
	for _, name := range n.Output {
		outs = append(outs, untyped(name)...)
	}
	return modelFile(t, 17, graph(in, outs, of(mlDomain, n)))
}

// mlMap declares a map to tensors of these sizes.
func mlMap(name, key, elem string, dims ...any) *pb.ValueInfoProto {
	m := &pb.TypeProto_Map{KeyType: ptr(int32(dtypeNumber(key))), ValueType: value("", elem, dims...).Type}
	return &pb.ValueInfoProto{Name: &name, Type: &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: m}}}
}

// smallTree has a node and two leaves; class is the first leaf's.
func smallTree(class int64, more ...*pb.AttributeProto) []*pb.AttributeProto {
	return append([]*pb.AttributeProto{
		attr("nodes_treeids", []int64{0, 0, 0}), attr("nodes_nodeids", []int64{0, 1, 2}), attr("nodes_featureids", []int64{0, 0, 0}),
		attr("nodes_values", []float32{0.5, 0, 0}), attr("nodes_modes", []string{"BRANCH_LEQ", "LEAF", "LEAF"}), attr("nodes_truenodeids", []int64{1, 0, 0}),
		attr("nodes_falsenodeids", []int64{2, 0, 0}), attr("class_treeids", []int64{0, 0}), attr("class_nodeids", []int64{1, 2}), attr("class_ids", []int64{class, 0}),
		attr("class_weights", []float32{1, 2})}, more...)
}

func smallSVM(more ...*pb.AttributeProto) []*pb.AttributeProto {
	return append([]*pb.AttributeProto{attr("coefficients", []float32{1, -1}), attr("rho", []float32{0.5}), attr("support_vectors", []float32{1, 2, 3, 4})}, more...)
}

// TestML: the sizes of batches may be symbols, and what the results are of.
func TestML(t *testing.T) {
	labels, names := attr("classlabels_ints", []int64{4, 7}), attr("classlabels_strings", []string{"a", "b"})
	x := value("x", "f32", "n", 2)
	for _, c := range []struct {
		node *pb.NodeProto
		in   *pb.ValueInfoProto
		want string
	}{
		{node("LinearClassifier", "x", "y,z", attr("coefficients", []float32{1, 2}), attr("intercepts", []float32{1}), labels), x, "i64[n] f32[n, 2]"},
		{node("LinearClassifier", "x", "y,z", attr("coefficients", []float32{1, 2, 3, 4}), names), value("x", "i64", 2), "string[1] f32[1, 2]"},
		{node("SVMClassifier", "x", "y,z", smallSVM(labels, attr("vectors_per_class", []int64{1, 1}), attr("prob_a", []float32{1}), attr("prob_b", []float32{0}))...), x, "i64[n] f32[n, 2]"},
		{node("SVMRegressor", "x", "y", smallSVM(attr("n_supports", 2), attr("kernel_type", "RBF"), attr("kernel_params", []float32{1, 0, 0}))...), value("x", "f64", "n", 2), "f32[n, 1]"},
		{node("TreeEnsembleClassifier", "x", "y,z", smallTree(1, names)...), value("x", "i64", "n", 2), "string[n] f32[n, 2]"},
		{node("ZipMap", "x", "y", names), x, "seq<map<string, f32[]>>"},
		{node("DictVectorizer", "x", "y", attr("int64_vocabulary", []int64{1, 2, 3})), mlMap("x", "i64", "string"), "string[1, 3]"},
		{node("CastMap", "x", "y"), mlMap("x", "i64", "f32"), "f32[1, u0]"},
		{node("OneHotEncoder", "x", "y", attr("zeros", 0), attr("cats_int64s", []int64{1, 2})), value("x", "i64", "n"), "f32[n, 2]"},
	} {
		m := imported(t, mlModel(t, c.node, c.in), Options{})
		var got []string
		for _, v := range m.Main().Results() {
			got = append(got, v.Type.String())
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s gives %s, want %s", c.node.GetOpType(), s, c.want)
		}
	}
}

func TestMLErrors(t *testing.T) {
	labels, names := attr("classlabels_ints", []int64{4, 7}), attr("classlabels_strings", []string{"a", "b"})
	x := value("x", "f32", "n", 2)
	linear := attr("coefficients", []float32{1, 2})
	for _, c := range []struct {
		name string
		node *pb.NodeProto
		in   *pb.ValueInfoProto
		want string
	}{
		{"no labels", node("LinearClassifier", "x", "y,z", linear), x, "0 classlabels_ints and 0 classlabels_strings"},
		{"two kinds of labels", node("LinearClassifier", "x", "y,z", linear, labels, names), x, "2 classlabels_ints and 2"},
		{"labels of other classes", node("LinearClassifier", "x", "y,z", attr("coefficients", []float32{1, 2, 3, 4, 5, 6}), labels), x, "6 coefficients and 0 intercepts for 2 classes"},
		{"coefficients that do not fit", node("LinearClassifier", "x", "y,z", attr("coefficients", []float32{1, 2, 3}), attr("intercepts", []float32{1, 2}), labels), x, "3 coefficients"},
		{"a transform that is none", node("LinearClassifier", "x", "y,z", attr("coefficients", []float32{1, 2, 3, 4}), labels, attr("post_transform", "TANH")), x, `post_transform "TANH"`},
		{"probit of one score", node("LinearClassifier", "x", "y,z", linear, labels, attr("post_transform", "PROBIT")), x, "PROBIT of one score"},
		{"samples of rank 3", node("LinearClassifier", "x", "y,z", linear, labels), value("x", "f32", 1, 2, 3), "f32[1, 2, 3]"},
		{"no coefficients", node("SVMClassifier", "x", "y,z", labels), x, "0 coefficients and 0 rho"},
		{"kernel parameters", node("SVMRegressor", "x", "y", smallSVM(attr("n_supports", 2), attr("kernel_params", []float32{1}))...), x, "1 kernel_params"},
		{"kernel", node("SVMRegressor", "x", "y", smallSVM(attr("n_supports", 2), attr("kernel_type", "COSINE"))...), x, `kernel_type "COSINE"`},
		{"supports", node("SVMRegressor", "x", "y", smallSVM(attr("n_supports", 3))...), x, "2 coefficients for 3 support vectors"},
		{"vectors of other samples", node("SVMRegressor", "x", "y", smallSVM(attr("n_supports", 2))...), value("x", "f32", "n", 3), "2 vectors of 4 numbers"},
		{"vectors of classes", node("SVMClassifier", "x", "y,z", smallSVM(labels, attr("vectors_per_class", []int64{1, 2}))...), x, "2 coefficients for 3 vectors"},
		{"negative vectors", node("SVMClassifier", "x", "y,z", smallSVM(labels, attr("vectors_per_class", []int64{-1, 3}))...), x, "-1 vectors"},
		{"probabilities", node("SVMClassifier", "x", "y,z", smallSVM(labels, attr("vectors_per_class", []int64{1, 1}), attr("prob_a", []float32{1}))...), x, "1 prob_a and 0 prob_b"},
		{"a class that is none", node("TreeEnsembleClassifier", "x", "y,z", smallTree(2, names)...), x, "target 2 of 2"},
		{"base values", node("TreeEnsembleClassifier", "x", "y,z", smallTree(1, names, attr("base_values", []float32{1}))...), x, "1 base values for 2 classes"},
		{"base values of one class", node("TreeEnsembleClassifier", "x", "y,z", smallTree(0, names, attr("base_values", []float32{1, 2}))...), x, "leaves speak of class 0 only"},
		{"keys of another type", node("DictVectorizer", "x", "y", attr("string_vocabulary", []string{"a"})), mlMap("x", "i64", "string"), "1 string_vocabulary for map<i64, string[]>"},
		{"map form", node("CastMap", "x", "y", attr("map_form", "THIN")), mlMap("x", "i64", "f32"), `map_form "THIN"`},
		{"map length", node("CastMap", "x", "y", attr("map_form", "SPARSE"), attr("max_map", 1<<40)), mlMap("x", "i64", "f32"), "max_map 1099511627776"},
		{"map to tensors", node("CastMap", "x", "y"), mlMap("x", "i64", "f32", 3), "a map to anything but scalars"},
		{"map of floats", node("CastMap", "x", "y"), mlMap("x", "f32", "f32"), "a map with keys of f32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			bounded(t, func() { _, err = Import(mlModel(t, c.node, c.in), Options{}) })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
