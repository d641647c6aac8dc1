package onnx

import (
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
)

// rowCases have a node for each meaning that an operator has had. testdata/rows.txtar says what becomes of it.
var rowCases = []struct {
	name  string
	opset int64
	node  *pb.NodeProto
	in    []*pb.ValueInfoProto
	inits []*pb.TensorProto
}{
	{"Add-1 axis", 1, node("Add", "x,b", "y", attr("broadcast", 1), attr("axis", 1), attr("consumed_inputs", []int64{0})), values(value("x", "f32", 2, 3, 4), value("b", "f32", 3)), nil},
	{"Add-6 suffix", 6, node("Add", "x,b", "y", attr("broadcast", 1)), values(value("x", "f32", 2, 3, 4), value("b", "f32", 4)), nil},
	{"Add-7", 7, node("Add", "x,b", "y"), values(value("x", "f32", "n", 3), value("b", "f32", 3)), nil},
	{"Greater-1 axis", 1, node("Greater", "x,b", "y", attr("broadcast", 1), attr("axis", 0)), values(value("x", "f32", 2, 3), value("b", "f32", 2)), nil},
	{"GreaterOrEqual-16", 16, node("GreaterOrEqual", "a,b", "y"), values(value("a", "f32", 2), value("b", "f32", 2)), nil},
	{"Max-8", 8, node("Max", "a,b,c", "y"), values(value("a", "f32", 2), value("b", "f32", 2), value("c", "f32", 1)), nil},
	{"Mean-13", 13, node("Mean", "a,b", "y"), values(value("a", "f32", 2), value("b", "f32", 2)), nil},
	{"Cast-1", 1, node("Cast", "x", "y", attr("to", "INT64")), values(value("x", "f32", 2)), nil},
	{"Cast-6", 6, node("Cast", "x", "y", attr("to", 11)), values(value("x", "f32", 2)), nil},
	{"Cast-19 saturate", 19, node("Cast", "x", "y", attr("to", 17), attr("saturate", 0)), values(value("x", "f32", 2)), nil},
	{"Cast-24 round_mode", 24, node("Cast", "x", "y", attr("to", 24), attr("round_mode", "nearest")), values(value("x", "f32", 2)), nil},
	{"CastLike-15", 15, node("CastLike", "x,t", "y"), values(value("x", "f32", 2), value("t", "bf16", 1)), nil},
	{"Clip-6", 6, node("Clip", "x", "y", attr("min", 0.0)), values(value("x", "f32", 2)), nil},
	{"Clip-11", 11, node("Clip", "x,,hi", "y"), values(value("x", "f32", 2), value("hi", "f32")), nil},
	{"Dropout-7", 7, node("Dropout", "x", "y,mask", attr("ratio", 0.1)), values(value("x", "f32", "n", 2)), nil},
	{"Dropout-12", 12, node("Dropout", "x", "y,mask", attr("seed", 1)), values(value("x", "f32", "n", 2)), nil},
	{"Selu-1", 1, node("Selu", "x", "y"), values(value("x", "f32", 2)), nil},
	{"Selu-6", 6, node("Selu", "x", "y"), values(value("x", "f32", 2)), nil},
	{"PRelu-6", 6, node("PRelu", "x,s", "y"), values(value("x", "f32", 1, 3, 4, 4), value("s", "f32", 3)), nil},
	{"PRelu-9", 9, node("PRelu", "x,s", "y"), values(value("x", "f32", 1, 3, 4, 4), value("s", "f32", 3, 1, 1)), nil},
	{"Swish-24", 24, node("Swish", "x", "y", attr("alpha", 2.0)), values(value("x", "f32", 2)), nil},
	{"Gelu-20", 20, node("Gelu", "x", "y", attr("approximate", "tanh")), values(value("x", "f32", 2)), nil},

	{"ReduceSum-1", 1, node("ReduceSum", "x", "y", attr("axes", []int64{1}), attr("keepdims", 0)), values(value("x", "f32", 2, 3)), nil},
	{"ReduceSum-11 negative", 11, node("ReduceSum", "x", "y", attr("axes", []int64{-1, 0})), values(value("x", "f32", 2, 3)), nil},
	{"ReduceSum-13", 13, node("ReduceSum", "x,axes", "y"), values(value("x", "f32", 2, 3)), []*pb.TensorProto{ints("axes", -1)}},
	{"ReduceSum-13 none", 13, node("ReduceSum", "x,axes", "y"), values(value("x", "f32", 2, 3)), []*pb.TensorProto{ints("axes")}},
	{"ReduceSum-13 noop", 13, node("ReduceSum", "x", "y", attr("noop_with_empty_axes", 1)), values(value("x", "f32", 2, 3)), nil},
	{"ReduceMean-13", 13, node("ReduceMean", "x", "y"), values(value("x", "f32", "n", 3)), nil},
	{"ReduceMean-18", 18, node("ReduceMean", "x,axes", "y"), values(value("x", "f32", "n", 3)), []*pb.TensorProto{ints("axes", 1)}},
	{"ReduceL2-18 i32", 18, node("ReduceL2", "x,axes", "y"), values(value("x", "i32", 2, 3)), []*pb.TensorProto{ints("axes", 1)}},
	{"ReduceLogSumExp-18", 18, node("ReduceLogSumExp", "x,axes", "y", attr("keepdims", 0)), values(value("x", "f32", 2, 3)), []*pb.TensorProto{ints("axes", 1)}},
	{"ArgMax-12 last", 12, node("ArgMax", "x", "y", attr("axis", -1), attr("select_last_index", 1)), values(value("x", "f32", 2, 3)), nil},
	{"CumSum-14", 14, node("CumSum", "x,axis", "y", attr("reverse", 1)), values(value("x", "f32", 2, 3)), []*pb.TensorProto{scalarInt("axis", -1)}},
	{"CumProd-26", 26, node("CumProd", "x,axis", "y", attr("exclusive", 1)), values(value("x", "f32", 2, 3)), []*pb.TensorProto{scalarInt("axis", 1)}},
	{"QuantizeLinear-10", 10, node("QuantizeLinear", "x,s", "y"), values(value("x", "f32", 2, 3), value("s", "f32")), nil},
	{"QuantizeLinear-13 axis", 13, node("QuantizeLinear", "x,s,z", "y", attr("axis", 1)), values(value("x", "f32", "n", 3), value("s", "f32", 3), value("z", "i8", 3)), nil},
	{"QuantizeLinear-19 float8", 19, node("QuantizeLinear", "x,s,z", "y", attr("saturate", 0)), values(value("x", "f16", 2), value("s", "f16"), value("z", "f8e5m2")), nil},
	{"QuantizeLinear-21 blocks", 21, node("QuantizeLinear", "x,s", "y", attr("block_size", 2), attr("output_dtype", 22)), values(value("x", "f32", 2, 5), value("s", "f32", 2, 3)), nil},
	{"QuantizeLinear-23 precision", 23, node("QuantizeLinear", "x,s", "y", attr("precision", 1)), values(value("x", "f16", 2), value("s", "f16")), nil},
	{"DequantizeLinear-13 axis", 13, node("DequantizeLinear", "x,s,z", "y", attr("axis", 0)), values(value("x", "u8", 3, 2), value("s", "f32", 3), value("z", "u8", 3)), nil},
	{"DequantizeLinear-24 dtype", 24, node("DequantizeLinear", "x,s", "y", attr("output_dtype", 16)), values(value("x", "i4", 2), value("s", "f8e8m0")), nil},
	{"DynamicQuantizeLinear-11", 11, node("DynamicQuantizeLinear", "x", "y,s,z"), values(value("x", "f32", "n", 2)), nil},
	{"MatMulInteger-10", 10, node("MatMulInteger", "a,b,,z", "y"), values(value("a", "u8", 2, 3), value("b", "i8", 3, 4), value("z", "i8", 4)), nil},
	{"QLinearMatMul-21", 21, node("QLinearMatMul", "a,p,q,b,r,s,t,u", "y"), values(value("a", "u8", 2, 3), value("p", "f32", 2), value("q", "u8", 2), value("b", "i8", 3, 4), value("r", "f32"), value("s", "i8"), value("t", "f32"), value("u", "u8")), nil},
	{"ConvInteger-10", 10, node("ConvInteger", "x,w,z", "y", attr("pads", []int64{1, 1, 1, 1})), values(value("x", "u8", 1, 300, 5, 5), value("w", "u8", 2, 300, 3, 3), value("z", "u8")), nil},
	{"QLinearConv-10", 10, node("QLinearConv", "x,p,q,w,r,s,t,u,b", "y"), values(value("x", "u8", 1, 3, 5), value("p", "f32"), value("q", "u8"), value("w", "i8", 2, 3, 3), value("r", "f32", 2), value("s", "i8", 2), value("t", "f32"), value("u", "u8"), value("b", "i32", 2)), nil},
	{"BitCast-26", 26, node("BitCast", "x", "y", attr("to", 6)), values(value("x", "f32", 2)), nil},
	{"Det-22", 22, node("Det", "x", "y"), values(value("x", "f32", "n", 3, 3)), nil},
	{"TopK-1", 1, node("TopK", "x", "v,i", attr("k", 2)), values(value("x", "f32", "n", 3)), nil},
	{"TopK-11", 11, node("TopK", "x,k", "v,i", attr("axis", 0), attr("largest", 0), attr("sorted", 0)), values(value("x", "f32", "n", 3), value("k", "i64", 1)), nil},
	{"NonZero-13", 13, node("NonZero", "x", "y"), values(value("x", "bool", "n", 3)), nil},
	{"Compress-11", 11, node("Compress", "x,c", "y", attr("axis", -1)), values(value("x", "f32", "n", 3), value("c", "bool", 3)), nil},
	{"Compress-11 flat", 11, node("Compress", "x,c", "y"), values(value("x", "f32", "n", 3), value("c", "bool", "m")), nil},
	{"Unique-11", 11, node("Unique", "x", "y,,inverse"), values(value("x", "f32", "n", 3)), nil},
	{"Unique-11 axis", 11, node("Unique", "x", "y", attr("axis", 0), attr("sorted", 0)), values(value("x", "f32", "n", 3)), nil},
	{"ReverseSequence-10", 10, node("ReverseSequence", "x,l", "y"), values(value("x", "f32", "t", "b", 3), value("l", "i64", "b")), nil},
	{"TensorScatter-24", 24, node("TensorScatter", "p,u,w", "y", attr("mode", "circular")), values(value("p", "f32", "b", 8, 3), value("u", "f32", "b", "s", 3), value("w", "i64", "b")), nil},
	{"MaxUnpool-11", 11, node("MaxUnpool", "x,i,s", "y", attr("kernel_shape", []int64{2}), attr("strides", []int64{2})), values(value("x", "f32", 1, 1, 3), value("i", "i64", 1, 1, 3)), []*pb.TensorProto{ints("s", 1, 1, 7)}},
	{"NonMaxSuppression-11", 11, node("NonMaxSuppression", "b,s,m,i,t", "y", attr("center_point_box", 1)), values(value("b", "f32", 1, "n", 4), value("s", "f32", 1, 2, "n"), value("m", "i64", 1), value("i", "f32", 1), value("t", "f32", 1)), nil},

	{"Reshape-1", 1, node("Reshape", "x", "y", attr("shape", []int64{0, -1})), values(value("x", "f32", 2, 3, 4)), nil},
	{"Reshape-5", 5, node("Reshape", "x,s", "y"), values(value("x", "f32", "n", 3, 4)), []*pb.TensorProto{ints("s", -1, 12)}},
	{"Reshape-14 allowzero", 14, node("Reshape", "x,s", "y", attr("allowzero", 1)), values(value("x", "f32", 0, 3)), []*pb.TensorProto{ints("s", 3, 0)}},
	{"Flatten-9", 9, node("Flatten", "x", "y", attr("axis", 2)), values(value("x", "f32", "n", 3, "h", "w")), nil},
	{"Flatten-11 negative", 11, node("Flatten", "x", "y", attr("axis", -1)), values(value("x", "f32", "n", 3, 4)), nil},
	{"Squeeze-1 all", 1, node("Squeeze", "x", "y"), values(value("x", "f32", 1, 3, 1)), nil},
	{"Squeeze-11", 11, node("Squeeze", "x", "y", attr("axes", []int64{-1})), values(value("x", "f32", "n", 1)), nil},
	{"Squeeze-13", 13, node("Squeeze", "x,a", "y"), values(value("x", "f32", "n", "m")), []*pb.TensorProto{ints("a", 1)}},
	{"Unsqueeze-11", 11, node("Unsqueeze", "x", "y", attr("axes", []int64{-1, 0})), values(value("x", "f32", 2)), nil},
	{"Unsqueeze-13", 13, node("Unsqueeze", "x,a", "y"), values(value("x", "f32", 2)), []*pb.TensorProto{ints("a", 2, 0)}},
	{"Concat-1", 1, node("Concat", "x,x", "y"), values(value("x", "f32", 2, "n")), nil},
	{"Slice-1", 1, node("Slice", "x", "y", attr("starts", []int64{1}), attr("ends", []int64{-1}), attr("axes", []int64{1})), values(value("x", "f32", 2, 9)), nil},
	{"Slice-10", 10, node("Slice", "x,s,e", "y"), values(value("x", "f32", "n", 9)), []*pb.TensorProto{ints("s", 0, 1), ints("e", 1000000, 3)}},
	{"Slice-13 steps", 13, node("Slice", "x,s,e,a,t", "y"), values(value("x", "f32", 4, 9)), []*pb.TensorProto{ints("s", -1), ints("e", -100), ints("a", -1), ints("t", -2)}},
	{"Split-1", 1, node("Split", "x,s", "a,b", attr("axis", 1)), values(value("x", "f32", 2, 9)), []*pb.TensorProto{floats32("s", 4, 5)}},
	{"Split-2", 2, node("Split", "x", "a,b", attr("axis", 1), attr("split", []int64{4, 5})), values(value("x", "f32", 2, 9)), nil},
	{"Split-11 equal", 11, node("Split", "x", "a,b,c", attr("axis", -1)), values(value("x", "f32", 2, 9)), nil},
	{"Split-13 symbolic", 13, node("Split", "x", "a,b"), values(value("x", "f32", "n")), nil},
	{"Split-18 uneven", 18, node("Split", "x", "a,b,c", attr("num_outputs", 3)), values(value("x", "f32", 8)), nil},
	{"Pad-1", 1, node("Pad", "x", "y", attr("paddings", []int64{1, 0}), attr("value", 2.0)), values(value("x", "f32", 3)), nil},
	{"Pad-2", 2, node("Pad", "x", "y", attr("pads", []int64{1, 0}), attr("mode", "edge")), values(value("x", "f32", 3)), nil},
	{"Pad-11", 11, node("Pad", "x,p,v", "y"), values(value("x", "f32", "n"), value("v", "f32")), []*pb.TensorProto{ints("p", 1, -1)}},
	{"Pad-18 axes", 18, node("Pad", "x,p,,a", "y"), values(value("x", "f32", 2, "n")), []*pb.TensorProto{ints("p", 1, 1), ints("a", -1)}},
	{"Tile-1", 1, node("Tile", "x,n,a", "y"), values(value("x", "f32", 2, 3)), []*pb.TensorProto{withDims(floats32("n", 2)), withDims(floats32("a", 1))}},
	{"Shape-13", 13, node("Shape", "x", "y"), values(value("x", "f32", "n", 3)), nil},
	{"Shape-15", 15, node("Shape", "x", "y", attr("start", -2), attr("end", 9)), values(value("x", "f32", "n", 3, 4)), nil},
	{"ConstantOfShape-9", 9, node("ConstantOfShape", "s", "y", attr("value", ints("", 7))), nil, []*pb.TensorProto{ints("s", 2, 3)}},
	{"Constant-12", 12, node("Constant", "", "y", attr("value_ints", []int64{1, 2})), nil, nil},
	{"Constant-11 sparse", 11, node("Constant", "", "y", attr("sparse_value", &pb.SparseTensorProto{Values: floats32("", 1, 2), Indices: ints("", 1, 5), Dims: []int64{2, 3}})), nil, nil},
	{"DepthToSpace-11 CRD", 11, node("DepthToSpace", "x", "y", attr("blocksize", 2), attr("mode", "CRD")), values(value("x", "f32", "n", 8, "h", 3)), nil},

	{"Gather-11", 11, node("Gather", "x,i", "y", attr("axis", -1)), values(value("x", "f32", 2, 3), value("i", "i32", "k")), nil},
	{"GatherND-12", 12, node("GatherND", "x,i", "y", attr("batch_dims", 1)), values(value("x", "f32", 2, 3), value("i", "i64", 2, 1)), nil},
	{"Scatter-9", 9, node("Scatter", "x,i,u", "y"), values(value("x", "f32", 3, 3), value("i", "i64", 1, 3), value("u", "f32", 1, 3)), nil},
	{"ScatterND-16", 16, node("ScatterND", "x,i,u", "y", attr("reduction", "add")), values(value("x", "f32", 3), value("i", "i64", 2, 1), value("u", "f32", 2)), nil},
	{"OneHot-11", 11, node("OneHot", "i,d,v", "y", attr("axis", 0)), values(value("i", "i64", "n"), value("v", "f32", 2)), []*pb.TensorProto{scalarInt("d", 4)}},

	{"Gemm-6", 6, node("Gemm", "a,b,c", "y", attr("broadcast", 1), attr("transB", 1)), values(value("a", "f32", 2, 3), value("b", "f32", 4, 3), value("c", "f32", 4)), nil},
	{"Gemm-11 scaled", 11, node("Gemm", "a,b,c", "y", attr("alpha", 0.5), attr("beta", 2.0), attr("transA", 1)), values(value("a", "f32", 3, "n"), value("b", "f32", 3, 4), value("c", "f32", 4)), nil},
	{"Gemm-13 no C", 13, node("Gemm", "a,b", "y"), values(value("a", "f32", 2, 3), value("b", "f32", 3, 4)), nil},
	{"Conv-1 SAME_UPPER", 1, node("Conv", "x,w", "y", attr("auto_pad", "SAME_UPPER"), attr("strides", []int64{2, 3})), values(value("x", "f32", "n", 3, 7, 8), value("w", "f32", 4, 3, 3, 3)), nil},
	{"Conv-11 SAME_LOWER symbolic", 11, node("Conv", "x,w", "y", attr("auto_pad", "SAME_LOWER")), values(value("x", "f32", 1, 3, "h", "w"), value("w", "f32", 4, 3, 2, 3)), nil},
	{"Conv-11 depthwise", 11, node("Conv", "x,w,b", "y", attr("group", 4), attr("pads", []int64{1, 1}), attr("dilations", []int64{2})), values(value("x", "f32", 1, 4, "l"), value("w", "f32", 4, 1, 3), value("b", "f32", 4)), nil},
	{"MaxPool-1", 1, node("MaxPool", "x", "y", attr("kernel_shape", []int64{2, 2})), values(value("x", "f32", 1, 3, 8, 8)), nil},
	{"MaxPool-10 indices", 10, node("MaxPool", "x", "y,i", attr("kernel_shape", []int64{3, 2}), attr("strides", []int64{2, 2}), attr("ceil_mode", 1), attr("storage_order", 1)), values(value("x", "f32", 1, 3, 8, 7)), nil},
	{"AveragePool-7", 7, node("AveragePool", "x", "y", attr("kernel_shape", []int64{3}), attr("pads", []int64{1, 1}), attr("count_include_pad", 1)), values(value("x", "f32", 1, 3, 8)), nil},
	{"GlobalAveragePool-1", 1, node("GlobalAveragePool", "x", "y"), values(value("x", "f32", 1, 3, "h", "w")), nil},

	{"Softmax-1", 1, node("Softmax", "x", "y"), values(value("x", "f32", "n", 3, 4)), nil},
	{"Softmax-11 last", 11, node("Softmax", "x", "y", attr("axis", -1)), values(value("x", "f32", "n", 3, 4)), nil},
	{"Softmax-13", 13, node("Softmax", "x", "y", attr("axis", 1)), values(value("x", "f32", "n", 3, 4)), nil},
	{"LayerNormalization-17", 17, node("LayerNormalization", "x,s,b", "y,mean,inv"), values(value("x", "f16", "n", 4), value("s", "f16", 4), value("b", "f16", 4)), nil},
	{"RMSNormalization-23 dtypes", 23, node("RMSNormalization", "x,s", "y"), values(value("x", "f16", "n", 4), value("s", "f32", 4)), nil},
	{"BatchNormalization-1", 1, node("BatchNormalization", "x,s,b,m,v", "y", attr("is_test", 1), attr("consumed_inputs", []int64{0, 0, 0, 1, 1})), batchNormInputs(), nil},
	{"BatchNormalization-7 spatial", 7, node("BatchNormalization", "x,s,b,m,v", "y", attr("spatial", 0)), values(value("x", "f32", "n", 3, 4), value("s", "f32", 3, 4), value("b", "f32", 3, 4), value("m", "f32", 3, 4), value("v", "f32", 3, 4)), nil},
	{"BatchNormalization-9", 9, node("BatchNormalization", "x,s,b,m,v", "y"), batchNormInputs(), nil},
	{"BatchNormalization-15 training", 15, node("BatchNormalization", "x,s,b,m,v", "y,rm,rv", attr("training_mode", 1)), batchNormInputs(), nil},
	{"InstanceNormalization-6", 6, node("InstanceNormalization", "x,s,b", "y"), values(value("x", "f32", "n", 3, 4), value("s", "f32", 3), value("b", "f32", 3)), nil},
	{"GroupNormalization-18", 18, node("GroupNormalization", "x,s,b", "y", attr("num_groups", 2)), values(value("x", "f32", "n", 4, 5), value("s", "f32", 2), value("b", "f32", 2)), nil},
	{"GroupNormalization-21", 21, node("GroupNormalization", "x,s,b", "y", attr("num_groups", 2)), values(value("x", "f32", "n", 4, 5), value("s", "f32", 4), value("b", "f32", 4)), nil},
	{"LpNormalization-22", 22, node("LpNormalization", "x", "y", attr("p", 1), attr("axis", 0)), values(value("x", "f32", "n", 4)), nil},
	{"LRN-13", 13, node("LRN", "x", "y", attr("size", 4)), values(value("x", "f32", "n", 5, "h", "w")), nil},

	{"Attention-23 packed groups", 23, node("Attention", "q,k,v,m", "y", attr("q_num_heads", 4), attr("kv_num_heads", 2), attr("is_causal", 1)), values(value("q", "f32", "b", "s", 32), value("k", "f32", "b", "t", 16), value("v", "f32", "b", "t", 16), value("m", "f32", "s", "t")), nil},
	{"Attention-23 past f16", 23, node("Attention", "q,k,v,,pk,pv", "y,k1,v1", attr("softcap", 2.0), attr("softmax_precision", 1)), values(value("q", "f16", "b", 2, "s", 8), value("k", "f16", "b", 2, "s", 8), value("v", "f16", "b", 2, "s", 8), value("pk", "f16", "b", 2, "p", 8), value("pv", "f16", "b", 2, "p", 8)), nil},
	{"Attention-24 lengths", 24, node("Attention", "q,k,v,m,,,l", "y,,,qk", attr("is_causal", 1), attr("qk_matmul_output_mode", 3)), values(value("q", "f32", 2, 2, 3, 8), value("k", "f32", 2, 2, 6, 8), value("v", "f32", 2, 2, 6, 8), value("m", "bool", 3, 4), value("l", "i64", 2)), nil},
	{"Attention-25 window", 25, node("Attention", "q,k,v", "y", attr("left_window_size", 2), attr("right_window_size", 1), attr("scale", 0.5)), values(value("q", "f32", 1, 1, "s", 8), value("k", "f32", 1, 1, "s", 8), value("v", "f32", 1, 1, "s", 8)), nil},
	{"RotaryEmbedding-23", 23, node("RotaryEmbedding", "x,c,s,p", "y", attr("num_heads", 2), attr("rotary_embedding_dim", 4)), values(value("x", "f32", "b", "s", 16), value("c", "f32", 50, 2), value("s", "f32", 50, 2), value("p", "i64", "b", "s")), nil},
	{"RotaryEmbedding-23 interleaved", 23, node("RotaryEmbedding", "x,c,s", "y", attr("interleaved", 1)), values(value("x", "f32", 1, 2, "s", 8), value("c", "f32", 1, "s", 4), value("s", "f32", 1, "s", 4)), nil},
	{"LinearAttention-27", 27, node("LinearAttention", "q,k,v,,d,b", "y,s", attr("q_num_heads", 4), attr("kv_num_heads", 2)), values(value("q", "f16", "b", "t", 16), value("k", "f16", "b", "t", 8), value("v", "f16", "b", "t", 6), value("d", "f16", "b", "t", 2), value("b", "f16", "b", "t", 1)), nil},
	{"CausalConvWithState-27", 27, node("CausalConvWithState", "x,w,,p", "y,s", attr("activation", "silu")), values(value("x", "f32", "b", 3, "l"), value("w", "f32", 3, 1, 4), value("p", "f32", "b", 3, 3)), nil},

	{"Einsum-12 product", 12, node("Einsum", "a,b", "y", attr("equation", "...ij,kj -> ...ki")), values(value("a", "f32", "b", 3, "n"), value("b", "f32", 5, "n")), nil},
	{"Einsum-12 diagonal", 12, node("Einsum", "a", "y", attr("equation", "iij->j")), values(value("a", "f32", "n", "n", 3)), nil},
	{"Einsum-12 implicit", 12, node("Einsum", "a,b", "y", attr("equation", "b,A")), values(value("a", "f32", 2), value("b", "f32", 3)), nil},
	{"DFT-17 onesided", 17, node("DFT", "x", "y", attr("onesided", 1)), values(value("x", "f32", "b", 4, 1)), nil},
	{"DFT-20 inverse", 20, node("DFT", "x,n", "y", attr("inverse", 1)), values(value("x", "f32", "b", 9, 2)), []*pb.TensorProto{scalarInt("n", 6)}},
	{"DFT-20 symbolic", 20, node("DFT", "x", "y"), values(value("x", "f16", "b", "n", 2)), nil},
	{"STFT-17", 17, node("STFT", "x,step,w", "y"), values(value("x", "f32", 1, "l", 1), value("w", "f32", 4)), []*pb.TensorProto{scalarInt("step", 2)}},
	{"BlackmanWindow-17", 17, node("BlackmanWindow", "n", "y", attr("periodic", 0)), values(value("n", "i64")), nil},
	{"MelWeightMatrix-17", 17, node("MelWeightMatrix", "m,n,r,lo,hi", "y"), values(value("m", "i64"), value("n", "i64"), value("r", "i64"), value("lo", "f32"), value("hi", "f32")), nil},
	{"FlexAttention-1", 23, of("ai.onnx.preview", node("FlexAttention", "q,k,v", "y", attr("score_mod", graph(values(value("s", "f32", 1, 4, 3, 5)), untyped("o"), node("Tanh", "s", "o"))))), values(value("q", "f16", 1, 4, 3, 8), value("k", "f16", 1, 2, 5, 8), value("v", "f16", 1, 2, 5, 8)), nil},
	{"microsoft BiasGelu", 17, of(microsoft, node("BiasGelu", "x,b", "y")), values(value("x", "f32", "n", 4), value("b", "f32", 4)), nil},
	{"microsoft QuickGelu", 17, of(microsoft, node("QuickGelu", "x", "y")), values(value("x", "f32", "n", 4)), nil},
	{"microsoft QuickGelu, another alpha", 17, of(microsoft, node("QuickGelu", "x", "y", attr("alpha", 1.5))), values(value("x", "f32", "n", 4)), nil},
	{"microsoft SkipLayerNormalization", 17, of(microsoft, node("SkipLayerNormalization", "x,s,g,b,c", "y,,,z")), values(value("x", "f32", "b", "s", 4), value("s", "f32", "b", "s", 4), value("g", "f32", 4), value("b", "f32", 4), value("c", "f32", 4)), nil},
	{"LayerNormalization-1", 11, node("LayerNormalization", "x,s,b", "y"), values(value("x", "f32", "n", 4), value("s", "f32", 4), value("b", "f32", 4)), nil},
	{"microsoft FusedGemm", 17, of(microsoft, node("FusedGemm", "a,b,c", "y", attr("transB", 1), attr("activation", "LeakyRelu"), attr("activation_alpha", 0.5))), values(value("a", "f32", "n", 3), value("b", "f32", 4, 3), value("c", "f32", 4)), nil},
	{"microsoft QGemm", 17, of(microsoft, node("QGemm", "a,sa,za,b,sb,zb,c,sy,zy", "y", attr("alpha", 0.5))), values(value("a", "u8", "n", 3), value("sa", "f32"), value("za", "u8"), value("b", "i8", 3, 4), value("sb", "f32", 4), value("zb", "i8", 4), value("c", "i32", 4), value("sy", "f32"), value("zy", "u8")), nil},
	{"microsoft QGemm to float", 17, of(microsoft, node("QGemm", "a,sa,za,b,sb,zb", "y")), values(value("a", "u8", "n", 3), value("sa", "f32"), value("za", "u8"), value("b", "i8", 3, 4), value("sb", "f32"), value("zb", "i8")), nil},
	{"microsoft DequantizeLinear", 17, of(microsoft, node("DequantizeLinear", "x,s,z", "y", attr("axis", 0))), values(value("x", "i16", 3, 2), value("s", "f32", 3), value("z", "i16", 3)), nil},
	{"microsoft QuantizeLinear", 17, of(microsoft, node("QuantizeLinear", "x,s,z", "y")), values(value("x", "f32", "n", 2), value("s", "f32"), value("z", "u16")), nil},
	{"STFT-17 without parts", 17, node("STFT", "x,step,w", "y"), values(value("x", "f32", 1, "l"), value("w", "f32", 4)), []*pb.TensorProto{scalarInt("step", 2)}},
	{"SimplifiedLayerNormalization-1", 17, node("SimplifiedLayerNormalization", "x,s", "y,r"), values(value("x", "f16", "n", 4), value("s", "f16", 4)), nil},
	{"microsoft FusedMatMul", 17, of(microsoft, node("FusedMatMul", "a,b", "y", attr("transBatchA", 1), attr("transA", 1), attr("transB", 1), attr("alpha", 0.5))), values(value("a", "f32", 4, "b", 3), value("b", "f32", "b", 5, 4)), nil},
	{"microsoft RotaryEmbedding", 17, of(microsoft, node("RotaryEmbedding", "x,p,c,s", "y")), values(value("x", "f32", "b", "s", 16), value("p", "i64", 1), value("c", "f32", 50, 4), value("s", "f32", 50, 4)), nil},
	{"microsoft MultiHeadAttention", 17, of(microsoft, node("MultiHeadAttention", "q,k,v,b,m", "y", attr("num_heads", 2))), values(value("q", "f32", "b", "s", 8), value("k", "f32", "b", "t", 8), value("v", "f32", "b", "t", 8), value("b", "f32", 24), value("m", "i32", "b", "t")), nil},
	{"microsoft GroupQueryAttention", 17, of(microsoft, node("GroupQueryAttention", "q,,,pk,pv,l,t,c,s", "y,k,v", attr("num_heads", 4), attr("kv_num_heads", 2), attr("do_rotary", 1), attr("local_window_size", 8))), values(value("q", "f32", "b", "s", 64), value("pk", "f32", "b", 2, "p", 8), value("pv", "f32", "b", 2, "p", 8), value("l", "i32", "b"), value("c", "f32", 50, 4), value("s", "f32", 50, 4)), []*pb.TensorProto{scalarInt32("t", 9)}},
	{"Upsample-7", 7, node("Upsample", "x", "y", attr("scales", []float32{1, 1, 2, 1.5})), values(value("x", "f32", "n", 3, 2, 4)), nil},
	{"Resize-11 linear", 11, node("Resize", "x,r,s", "y", attr("mode", "linear")), values(value("x", "f32", "n", 3, 2, 1)), []*pb.TensorProto{floats32("r"), floats32("s", 1, 1, 2, 1)}},
	{"ConvTranspose-1", 1, node("ConvTranspose", "x,w,b", "y", attr("strides", []int64{2}), attr("pads", []int64{3, 0}), attr("group", 2)), values(value("x", "f32", "n", 4, "l"), value("w", "f32", 4, 1, 3), value("b", "f32", 2)), nil},
	{"LpPool-1", 1, node("LpPool", "x", "y", attr("kernel_shape", []int64{2}), attr("p", 3.0)), values(value("x", "f32", "n", 2, "l")), nil},
	{"CenterCropPad-18", 18, node("CenterCropPad", "x,s", "y"), values(value("x", "f32", 5, 3)), []*pb.TensorProto{ints("s", 3, 6)}},
	{"MaxRoiPool-1", 1, node("MaxRoiPool", "x,r", "y", attr("pooled_shape", []int64{2, 1})), values(value("x", "f32", 1, 3, 8, 8), value("r", "f32", "r", 5)), nil},
	{"RNN-7", 7, node("RNN", "x,w,r,,l", "y,h", attr("direction", "reverse")), values(value("x", "f32", "t", "b", 3), value("w", "f32", 1, 4, 3), value("r", "f32", 1, 4, 4), value("l", "i32", "b")), nil},
	{"GRU-3", 3, node("GRU", "x,w,r,b", "y", attr("linear_before_reset", 1)), values(value("x", "f32", "t", "b", 3), value("w", "f32", 1, 12, 3), value("r", "f32", 1, 12, 4), value("b", "f32", 1, 24)), nil},
	{"LSTM-14 layout", 14, node("LSTM", "x,w,r", "y,h,c", attr("layout", 1)), values(value("x", "f32", "b", "t", 3), value("w", "f32", 1, 16, 3), value("r", "f32", 1, 16, 4)), nil},
	{"Bernoulli-15", 15, node("Bernoulli", "x", "y", attr("seed", 3.0), attr("dtype", 7)), values(value("x", "f32", "n")), nil},
	{"Dropout-12 training", 12, node("Dropout", "x,,t", "y", attr("seed", 1)), values(value("x", "f32", 2)), []*pb.TensorProto{{Name: ptr("t"), DataType: ptr(int32(pb.TensorProto_BOOL)), RawData: []byte{1}}}},
	{"NegativeLogLikelihoodLoss-13", 13, node("NegativeLogLikelihoodLoss", "x,t,w", "y", attr("ignore_index", -1)), values(value("x", "f32", "n", 4), value("t", "i64", "n"), value("w", "f32", 4)), nil},
}

func batchNormInputs() []*pb.ValueInfoProto {
	return values(value("x", "f32", "n", 3, 4), value("s", "f32", 3), value("b", "f32", 3), value("m", "f32", 3), value("v", "f32", 3))
}

func TestRows(t *testing.T) {
	g := openGolden(t, "rows.txtar")
	for _, c := range rowCases {
		t.Run(c.name, func(t *testing.T) {
			var outs []*pb.ValueInfoProto
			for _, name := range c.node.Output {
				outs = append(outs, untyped(name)...)
			}
			f := modelFile(t, c.opset, with(graph(c.in, outs, c.node), c.inits...))
			g.check(t, c.name, body(imported(t, f, Options{})))
		})
	}
}

// TestTables: rows name versions that an operator has, each once.
func TestTables(t *testing.T) {
	seen := map[OpVersion]bool{}
	for _, v := range Ops() {
		if seen[v] {
			t.Errorf("two rows for %v", v)
		}
		seen[v] = true
		s, ok := schema.Lookup(v.Domain, v.Op, v.Since)
		if !ok || s.Since != v.Since {
			t.Errorf("%s has no version %d", v.Op, v.Since)
		}
	}
	for v := range seen { // all of them, or the row of an older version would stand for a newer one
		for _, s := range schema.Versions(v.Domain, v.Op) {
			if !seen[OpVersion{v.Domain, v.Op, s.Since}] {
				t.Errorf("%s has no row for version %d", v.Op, s.Since)
			}
		}
	}
}

// TestFindRow chooses the greatest since_version that is not newer than the opset, also for opsets that are
// newer than any known.
func TestFindRow(t *testing.T) {
	for _, c := range []struct {
		op             string
		version, since int64
	}{{"Softmax", 1, 1}, {"Softmax", 10, 1}, {"Softmax", 12, 11}, {"Softmax", 13, 13}, {"Softmax", 99, 13}, {"Relu", 14, 14}} {
		got, err := index().find("", c.op, c.version)
		if err != nil || got.since != c.since {
			t.Errorf("%s at opset %d: since %d, %v, want %d", c.op, c.version, got.since, err, c.since)
		}
	}
}
