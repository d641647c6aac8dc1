// Package schema holds the operator schemas of ONNX, and of onnxruntime's com.microsoft, as data: what each version
// of each operator takes, gives and allows.
//
// gen.py writes the table, schemas.txt, from the packages that define them; to renew it run go generate with them
// installed. Its form is a paragraph for each operator, with its versions in their order:
//
//	op ai.onnx Clip
//	version 13
//	in input T
//	in min T optional
//	in max T optional
//	out output T
//	type T f64 f32 f16 …
//
// An operand ends in "optional", or in "variadic N": any number from N up, of one type, or "mixed". An attribute is
// "attr NAME TYPE", then "required" or "= DEFAULT". Types are spelled as the IR's: f32, seq(f32), map(i64,f32).
package schema

//go:generate python3 gen.py
