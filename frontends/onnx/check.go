package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// checkForm compares a node with its operator's schema: attributes, and how many operands and outputs there are.
// Every row has one, which a test holds.
//
// Errors: Invalid for an attribute that the operator has not or of another type, and for too many or too few operands
// or outputs; Missing for an absent attribute or operand that is required.
func (n *Node) checkForm(domain string) error {
	s, ok := schema.Lookup(domain, n.proto.GetOpType(), n.Opset)
	if !ok {
		return nil
	}
	n.schema = s
	if err := checkAttrs(s, n.Attrs); err != nil {
		return err
	}
	if err := checkCount(s, "operands, it takes", s.Inputs, n.proto.Input); err != nil {
		return err
	}
	for i := range s.Inputs {
		p := &s.Inputs[i]
		if p.Option == schema.Single && n.proto.Input[i] == "" {
			return absent(s, i, p)
		}
	}
	return checkCount(s, "outputs, it gives", s.Outputs, n.proto.Output)
}

func checkAttrs(s *schema.Schema, attrs *Attrs) error {
	for _, a := range attrs.list {
		if strings.HasPrefix(a.GetName(), "__") {
			attrs.Get(a.GetName()) // a note of some tool, which ONNX allows
			continue
		}
		def, ok := s.Attr(a.GetName())
		if !ok {
			return unknownAttr(s, a.GetName())
		}
		got, err := AttrType(a)
		if err != nil {
			return err
		}
		if got != def.Type && !(got == pb.AttributeProto_UNDEFINED && isList(def.Type)) {
			return errf(Invalid, "give it as "+def.Type.String(), "attribute %q of %s is %s, must be %s", def.Name, version(s), got, def.Type)
		}
	}
	for i := range s.Attrs {
		def := &s.Attrs[i]
		if def.Required && !attrs.Has(def.Name) {
			return errf(Missing, "give it as "+def.Type.String(), "attribute %q of %s is required", def.Name, version(s))
		}
	}
	return nil
}

// unknownAttr says in which opsets the operator has such an attribute, if there are any.
func unknownAttr(s *schema.Schema, name string) error {
	names := make([]string, len(s.Attrs))
	for i, a := range s.Attrs {
		names[i] = a.Name
	}
	remedy := "remove it"
	if r := opsetsWith(s, func(v *schema.Schema) bool { _, ok := v.Attr(name); return ok }); r != "" {
		remedy += ", or import " + r
	}
	return errf(Invalid, remedy, "attribute %q is not one of %s: %s", clip(name), version(s), orNone(names))
}

// opsetsWith describes the nearest versions of an operator for which has is true, "" if there are none.
func opsetsWith(s *schema.Schema, has func(*schema.Schema) bool) string {
	before := ""
	all := schema.Versions(s.Domain, s.Op)
	for i, v := range all {
		switch {
		case v.Since == s.Since || !has(v):
		case v.Since > s.Since:
			return fmt.Sprintf("opset %d, which has it", v.Since)
		default:
			before = fmt.Sprintf("opset %d, which has it", all[i+1].Since-1)
		}
	}
	return before
}

// checkCount checks the number of operands or outputs. Absent ones at the end do not count.
func checkCount(s *schema.Schema, what string, params []schema.Param, names []string) error {
	least, most := schema.Arity(params)
	n := len(names)
	for n > most && names[n-1] == "" {
		n--
	}
	if n >= least && n <= most {
		return nil
	}
	remedy := "add what is missing"
	if n > most {
		remedy = "remove what is too much"
	}
	all := make([]string, len(params))
	for i, p := range params {
		all[i] = p.Name
	}
	return errf(Invalid, remedy, "%d %s %s (%s: %s)", n, what, arityText(least, most), version(s), orNone(all))
}

func arityText(least, most int) string {
	switch most {
	case least:
		return strconv.Itoa(least)
	case schema.Many:
		return fmt.Sprintf("at least %d", least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func absent(s *schema.Schema, i int, p *schema.Param) error {
	return errf(Missing, remedyExport, "operand %d is absent, but required (%s of %s)", i, p.Name, version(s))
}

// checkTypes compares the types of the operands with the schema, each for itself and then those that must agree.
//
// Errors: Invalid for a type that is not allowed, and for two that differ but must not; Missing for a required operand
// that is an absent one of the function that the node is in.
func (n *Node) checkTypes() error {
	s := n.schema
	if s == nil {
		return nil
	}
	for i, v := range n.in {
		p := schema.At(s.Inputs, i)
		switch {
		case p == nil:
			return nil
		case v == nil && (p.Option == schema.Optional || p.Mixed):
			continue
		case v == nil:
			return absent(s, i, p)
		}
		t := typeName(v.Type)
		if t == "" {
			continue
		}
		if !slices.Contains(p.Types, t) {
			return n.wrongType(i, p, t)
		}
		if err := n.sameType(i, p, t); err != nil {
			return err
		}
	}
	return nil
}

// sameType compares operand i with the first operand of its type variable.
func (n *Node) sameType(i int, p *schema.Param, t string) error {
	if p.Var == "" || p.Mixed {
		return nil
	}
	for j, v := range n.in[:i] {
		q := schema.At(n.schema.Inputs, j)
		if v == nil || q.Var != p.Var || q.Mixed {
			continue
		}
		if first := typeName(v.Type); first != t {
			return errf(Invalid, "cast one of them", "dtypes differ: operand %d (%s) is %s, operand %d (%s) is %s, and %s takes one type for both (%s)",
				i, p.Name, n.in[i].Type, j, q.Name, v.Type, version(n.schema), p.Var)
		}
		return nil
	}
	return nil
}

func (n *Node) wrongType(i int, p *schema.Param, t string) error {
	remedy := "cast it"
	allows := func(v *schema.Schema) bool {
		q := schema.At(v.Inputs, i)
		return q != nil && q.Name == p.Name && slices.Contains(q.Types, t)
	}
	if r := opsetsWith(n.schema, allows); r != "" {
		remedy += ", or import " + r
	}
	return errf(Invalid, remedy, "operand %d (%s) is %s, %s takes %s", i, p.Name, n.in[i].Type, version(n.schema), strings.Join(p.Types, " "))
}

// version is how messages call a version of an operator: Softmax-13.
func version(s *schema.Schema) string { return s.Op + "-" + strconv.FormatInt(s.Since, 10) }

// typeName spells a type without its shape, as the schemas do; "" for one that is not known.
func typeName(t ir.Type) string {
	elem := ""
	if t.Elem != nil {
		elem = typeName(*t.Elem)
	}
	switch {
	case t.Kind == ir.TensorType && t.DType != ir.Invalid:
		return t.DType.String()
	case elem == "":
		return ""
	case t.Kind == ir.SequenceType:
		return "seq(" + elem + ")"
	case t.Kind == ir.OptionalType:
		return "optional(" + elem + ")"
	case t.Kind == ir.MapType:
		return "map(" + t.DType.String() + "," + elem + ")"
	}
	return ""
}
