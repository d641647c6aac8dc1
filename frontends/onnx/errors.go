package onnx

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorKind says what sort of thing is wrong with a model, for callers that decide by it.
type ErrorKind uint8

const (
	Malformed   ErrorKind = iota + 1 // not the protobuf of an ONNX model
	Truncated                        // the file ends inside a message
	TooDeep                          // messages, graphs or functions nest beyond MaxDepth, or recur
	TooLarge                         // decoding would need memory out of proportion to the file
	Unsupported                      // legal ONNX that Emily does not do
	Missing                          // something required is absent
	External                         // external data cannot be used: place, size, kind of file
	Invalid                          // against the ONNX specification
	Shape                            // operands whose ranks or sizes do not fit
)

var kindNames = [...]string{
	Malformed: "malformed", Truncated: "truncated", TooDeep: "too deep", TooLarge: "too large",
	Unsupported: "unsupported", Missing: "missing", External: "external data", Invalid: "invalid",
	Shape: "shape",
}

func (k ErrorKind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("ErrorKind(%d)", uint8(k))
}

// Error is every error of this package. What is known of the place is set, the rest is zero:
//
//	model.onnx: node "/attn/MatMul_3" (MatMul, opset 17): inner sizes differ: f32[8,64] × f32[32,8]
//	model.onnx: tensor "w": raw data has 12 bytes, shape f32[2,3] needs 24; export the model again
type Error struct {
	File   string // the model, as the caller named it
	Node   string // node name
	Op     string // the node's op_type
	Domain string // the node's domain, "" for ai.onnx
	Opset  int64  // the version imported for Domain
	Tensor string // tensor name
	Kind   ErrorKind
	Msg    string
	Remedy string // what the user can do, "" if nothing is known
	Err    error  // the cause, if another package reported one
}

// Error gives place, message, cause and remedy on one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File + ": ")
	}
	b.WriteString(e.place())
	if e.Tensor != "" {
		fmt.Fprintf(&b, "tensor %q: ", e.Tensor)
	}
	b.WriteString(e.Msg)
	if e.Err != nil {
		if e.Msg != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// place is the node part of the message, with its separator.
func (e *Error) place() string {
	if e.Node == "" && e.Op == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("node")
	if e.Node != "" {
		fmt.Fprintf(&b, " %q", e.Node)
	}
	if e.Op != "" {
		op := e.Op
		if e.Domain != "" && e.Domain != "ai.onnx" {
			op = e.Domain + "." + op
		}
		b.WriteString(" (" + op)
		if e.Opset != 0 {
			fmt.Fprintf(&b, ", opset %d", e.Opset)
		}
		b.WriteString(")")
	}
	return b.String() + ": "
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Locate adds to err the parts of the place that it does not have yet, which is how an error
// from a layer that knows less (an attribute, a tensor) gets its file and node. Only the place
// fields of at are used. An err that holds no *Error becomes the cause of one of kind Invalid;
// nil stays nil.
func Locate(err error, at Error) error {
	if err == nil {
		return nil
	}
	e, ok := err.(*Error)
	if !ok && errors.As(err, &e) {
		return err // wrapped with words of its own, which a copy would lose
	}
	c := Error{Kind: Invalid, Err: err}
	if ok {
		c = *e
	}
	c.fill(at)
	return &c
}

// fill sets the empty place fields; the node's are one unit. Names are copied: an error outlives the mapped file
// that they may be views of.
func (e *Error) fill(at Error) {
	if e.File == "" {
		e.File = strings.Clone(at.File)
	}
	if e.Node == "" && e.Op == "" {
		e.Node, e.Op, e.Domain, e.Opset = strings.Clone(at.Node), strings.Clone(at.Op), strings.Clone(at.Domain), at.Opset
	}
	if e.Tensor == "" {
		e.Tensor = strings.Clone(at.Tensor)
	}
}

// errf makes an Error without a place; Locate adds that.
func errf(kind ErrorKind, remedy, format string, args ...any) error {
	return &Error{Kind: kind, Remedy: remedy, Msg: fmt.Sprintf(format, args...)}
}

const (
	remedyExport   = "export the model again"
	remedyDownload = "download or export the model again"
)
