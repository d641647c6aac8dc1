package onnx

import (
	"github.com/emilyc/emily/ir"
)

// contribAttentionRows are attentions over what is packed, or in 8 bits. Each becomes the plain one of microsoft_attention.go.
var contribAttentionRows = []row{
	{microsoft, "PackedAttention", since(1), importPackedAttention},
	{microsoft, "PackedMultiHeadAttention", since(1), importPackedMultiHeadAttention},
	{microsoft, "QAttention", since(1), importQAttention},
}

// importQAttention is Attention of 8-bit input and weights.
func importQAttention(n *Node) []*ir.Value {
	x := n.dequantized(n.in[0], n.scalar(n.in[3]), n.scalar(n.arg(6)))
	w := n.dequantized(n.in[1], n.perColumn(n.in[4]), n.perColumn(n.arg(7)))
	if !n.ok() {
		return nil
	}
	inner := *n
	inner.in = []*ir.Value{x, w, n.in[2], n.arg(5), n.arg(8)}
	return importMicrosoftAttention(&inner)
}

// packing is where the tokens of sequences without their padding belong: places[T] among the B × S of them all.
type packing struct {
	places, lengths *ir.Value
	batch, sequence ir.Dim
	tokens          ir.Dim
}

// packing reads token_offset[B, S], whose first T elements are the places of tokens, and cumulative_sequence_length[B + 1].
func (n *Node) packing(offset, ends *ir.Value) packing {
	tokens := size(n.in[0], 0)
	if offset.Rank() != 2 || ends.Rank() != 1 || n.in[0].Rank() < 2 {
		n.fail(Invalid, "give token_offset [B, S] and cumulative_sequence_length [B + 1]", "offsets %s and lengths %s of %s", offset.Type, ends.Type, n.in[0].Type)
		return packing{}
	}
	batch, sequence := size(offset, 0), size(offset, 1)
	flat := n.reshape(offset, batch.Mul(sequence))
	from := func(first int64, last ir.Dim) *ir.Value {
		return n.slice(ends, n.b.Ints(first), n.b.Dims(last), []int64{0}, []int64{1})
	}
	return packing{
		places:  n.cast(n.slice(flat, n.b.Ints(0), n.b.Dims(tokens), []int64{0}, []int64{1}), ir.I64),
		lengths: n.op(ir.Sub, nil, from(1, batch.Add(ir.Size(1))), from(0, batch)),
		batch:   batch, sequence: sequence, tokens: tokens,
	}
}

// padded makes [B, S, …] of [T, …], with zeros between.
func (n *Node) padded(p packing, x *ir.Value) *ir.Value {
	if x == nil || !n.ok() {
		return x
	}
	rest := x.Shape()[1:]
	all := append(ir.Shape{p.batch.Mul(p.sequence)}, rest...)
	zeros := n.op(ir.Expand, nil, n.number(x.DType(), 0), n.b.Dims(all...))
	x = n.op(ir.ScatterND, &ir.ScatterAttrs{Reduction: "none"}, zeros, n.unsqueeze(p.places, 1), x)
	return n.reshape(x, append(ir.Shape{p.batch, p.sequence}, rest...)...)
}

// repacked makes [T, D] of [B, S, D].
func (n *Node) repacked(p packing, x *ir.Value) []*ir.Value {
	if !n.ok() {
		return nil
	}
	x = n.reshape(x, p.batch.Mul(p.sequence), size(x, 2))
	return one(n.op(ir.Gather, &ir.AxisAttrs{}, x, p.places))
}

// importPackedAttention: Attention of tokens [T, W].
func importPackedAttention(n *Node) []*ir.Value {
	p := n.packing(n.in[3], n.in[4])
	inner := *n
	inner.in = []*ir.Value{n.padded(p, n.in[0]), n.in[1], n.in[2], p.lengths, nil, n.arg(5)}
	if !n.ok() {
		return nil
	}
	results := importMicrosoftAttention(&inner)
	if !n.ok() {
		return nil
	}
	return n.repacked(p, results[0])
}

// importPackedMultiHeadAttention: MultiHeadAttention of tokens [T, H × D], or of all in one as [T, H, 3, D].
func importPackedMultiHeadAttention(n *Node) []*ir.Value {
	p := n.packing(n.in[4], n.in[5])
	inner := *n
	inner.in = []*ir.Value{n.padded(p, n.in[0]), n.padded(p, n.arg(1)), n.padded(p, n.arg(2)), n.arg(3), p.lengths, n.arg(6)}
	if !n.ok() {
		return nil
	}
	results := importMultiHeadAttention(&inner)
	if !n.ok() {
		return nil
	}
	return n.repacked(p, results[0])
}
