package onnx

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxDepth is how often a message type may hold itself: graphs in attributes of nodes of graphs,
// sequences of sequences. The decoder recurses, so this also bounds its stack. Real models stay
// below ten.
const MaxDepth = 128

// Decoding may allocate allocBase plus allocPerByte for every byte of the file. Small nodes and
// attributes take about 20 bytes of memory per byte of file; empty messages, which no model has,
// would take over 100.
const (
	allocBase    = 16 << 20
	allocPerByte = 40
)

// scanner walks the wire format before the recursive, allocating decoder does. It goes from tag
// to tag with a stack of its own and steps over strings and tensor data by their length: their
// pages of a mapped file stay untouched.
type scanner struct {
	data  []byte
	pos   int
	stack []frame
	depth []int // open messages by type
	alloc int   // bytes of heap that decoding will need, estimated
}

// frame is an open message.
type frame struct {
	msg *message
	end int
}

// scan checks that data is a sound encoding of root.
//
// Errors: Truncated and Malformed with the byte offset, TooDeep, TooLarge.
func scan(data []byte, root *message) error {
	s := scanner{data: data, depth: make([]int, onnxWire().messages)}
	if err := s.push(root, len(data)); err != nil {
		return err
	}
	limit := allocBase + allocPerByte*len(data)
	for len(s.stack) > 0 {
		top := s.stack[len(s.stack)-1]
		if s.pos == top.end {
			s.depth[top.msg.id]--
			s.stack = s.stack[:len(s.stack)-1]
			continue
		}
		if err := s.field(top); err != nil {
			return err
		}
		if s.alloc > limit {
			return errf(TooLarge, remedyDownload,
				"byte %d: decoding needs over %d MiB for a file of %d bytes: it is made of empty messages",
				s.pos, limit>>20, len(data))
		}
	}
	return nil
}

func (s *scanner) push(m *message, end int) error {
	if s.depth[m.id]++; s.depth[m.id] > MaxDepth {
		return errf(TooDeep, "flatten the model's subgraphs", "byte %d: %s nests more than %d deep", s.pos, m.name, MaxDepth)
	}
	s.stack = append(s.stack, frame{m, end})
	return nil
}

// field steps over one field of the open message, or into it.
func (s *scanner) field(in frame) error {
	num, typ, n := protowire.ConsumeTag(s.data[s.pos:in.end])
	if n < 0 {
		return s.bad(in, "a field of "+in.msg.name, protowire.ParseError(n))
	}
	start := s.pos
	s.pos += n
	f := in.msg.field(num)
	if f != nil && typ != f.wire && !(f.list && typ == protowire.BytesType) {
		s.pos = start
		return errf(Malformed, remedyDownload, "not an ONNX model: byte %d: %s.%s has wire type %d, want %d",
			start, in.msg.name, f.name, typ, f.wire)
	}
	if f != nil {
		s.alloc += f.alloc
	}
	switch typ {
	case protowire.VarintType:
		_, n = protowire.ConsumeVarint(s.data[s.pos:in.end])
	case protowire.Fixed32Type:
		_, n = protowire.ConsumeFixed32(s.data[s.pos:in.end])
	case protowire.Fixed64Type:
		_, n = protowire.ConsumeFixed64(s.data[s.pos:in.end])
	case protowire.BytesType:
		return s.bytes(in, f, num)
	default: // groups: ONNX has none
		return errf(Malformed, remedyDownload, "not an ONNX model: byte %d: wire type %d in %s", start, typ, in.msg.name)
	}
	if n < 0 {
		return s.bad(in, fieldName(in.msg, f, num), protowire.ParseError(n))
	}
	s.pos += n
	return nil
}

// bytes handles a length-delimited value: a message is entered, all else is stepped over.
func (s *scanner) bytes(in frame, f *field, num protowire.Number) error {
	start := s.pos
	size, n := protowire.ConsumeVarint(s.data[s.pos:in.end])
	if n < 0 {
		return s.bad(in, fieldName(in.msg, f, num), protowire.ParseError(n))
	}
	s.pos += n
	if size > uint64(in.end-s.pos) {
		return s.short(in, fieldName(in.msg, f, num), start, size)
	}
	end := s.pos + int(size)
	switch {
	case f == nil:
		s.alloc += 2 * int(size) // the decoder keeps a copy of unknown fields
	case f.child != nil:
		return s.push(f.child, end)
	case f.wire != protowire.BytesType:
		if err := s.packed(in, f, s.data[s.pos:end]); err != nil {
			return err
		}
	}
	s.pos = end
	return nil
}

// packed checks the end of a packed list, past which the decoder would read.
func (s *scanner) packed(in frame, f *field, data []byte) error {
	n, ok := len(data), true
	switch f.wire {
	case protowire.Fixed32Type:
		ok = n%4 == 0
		s.alloc += n
	case protowire.Fixed64Type:
		ok = n%8 == 0
		s.alloc += n
	default:
		ok = n == 0 || data[n-1] < 0x80
		s.alloc += 8 * n
	}
	if !ok {
		return errf(Malformed, remedyDownload, "byte %d: %s.%s ends inside an element", s.pos+n, in.msg.name, f.name)
	}
	return nil
}

// short reports a length that goes beyond the enclosing message.
func (s *scanner) short(in frame, what string, start int, size uint64) error {
	if in.end == len(s.data) {
		return errf(Truncated, remedyDownload, "truncated: %s at byte %d needs %d bytes, the file has %d left",
			what, start, size, in.end-s.pos)
	}
	return errf(Malformed, remedyDownload, "byte %d: %s needs %d bytes, its %s has %d left",
		start, what, size, in.msg.name, in.end-s.pos)
}

// bad reports a tag or number that cannot be read.
func (s *scanner) bad(in frame, what string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && in.end == len(s.data) {
		return errf(Truncated, remedyDownload, "truncated: the file ends at byte %d inside %s", in.end, what)
	}
	return &Error{Kind: Malformed, Remedy: remedyDownload, Err: err,
		Msg: fmt.Sprintf("not an ONNX model: byte %d: %s", s.pos, what)}
}

func fieldName(m *message, f *field, num protowire.Number) string {
	if f == nil {
		return fmt.Sprintf("%s field %d", m.name, num)
	}
	return m.name + "." + f.name
}

func (m *message) field(num protowire.Number) *field {
	if int(num) < len(m.fields) && m.fields[num].name != "" {
		return &m.fields[num]
	}
	return nil
}
