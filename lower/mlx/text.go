package mlx

import (
	"bufio"
	encbin "encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

// String is the text form of p.
func (p *Plan) String() string {
	var b strings.Builder
	p.Print(&b) // a Builder does not fail
	return b.String()
}

// Print writes the text form: what the plan takes and gives, its facts, constants and programs, one call a line.
//
//	%12 = matmul %10, %11          ; f32[batch, 12, seq, seq] "/attn/MatMul" free %10
func (p *Plan) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "plan %q\n", p.Name)
	for _, in := range p.Inputs {
		fmt.Fprintf(b, "input %q %s\n", in.Name, in.Type)
	}
	for i := range p.States {
		s := &p.States[i]
		fmt.Fprintf(b, "state %q -> %q %s", s.In.Name, s.Out.Name, s.In.Type)
		if s.Grows() {
			fmt.Fprintf(b, " {axis = %d, length = %s, next = %s}", s.Axis, s.Length(), s.Next())
		}
		fmt.Fprintln(b)
	}
	for _, out := range p.Outputs {
		fmt.Fprintf(b, "output %q %s\n", out.Name, out.Type)
	}
	for _, f := range p.Facts {
		fmt.Fprintf(b, "fact %s %s, %s%s\n", f.Rel, f.A, f.B, comment(p.Loc(f.Loc).String()))
	}
	for i := range p.Consts {
		fmt.Fprintf(b, "const @%d = %s\n", i, p.Consts[i].text())
	}
	for _, g := range p.Programs {
		p.printProgram(b, g)
	}
	return b.Flush()
}

func comment(s string) string {
	if s == "" {
		return ""
	}
	return " ; " + s
}

func (c *Constant) text() string {
	t := ir.TensorOf(c.DType, shapeDims(c.Shape)...).String()
	if c.Blob != nil {
		return fmt.Sprintf("@%s[%d:+%d] : %s", c.Blob.Name, c.Offset, len(c.Data), t)
	}
	return t + " " + c.literal(16)
}

// literal is the elements as numbers where there are at most limit, else a count of bytes.
func (c *Constant) literal(limit int) string {
	size := c.DType.Size()
	n := len(c.Data) / size
	if n > limit {
		return fmt.Sprintf("<%d bytes>", len(c.Data))
	}
	var s []string
	for i := range n {
		s = append(s, element(c.DType, c.Data[i*size:]))
	}
	if len(c.Shape) == 0 && n == 1 {
		return s[0]
	}
	return "[" + strings.Join(s, ", ") + "]"
}

// element is the first element of data in decimal; the bits in hexadecimal where it has no short decimal form.
func element(d ir.DType, data []byte) string {
	le := encbin.LittleEndian
	switch d {
	case ir.Bool:
		return strconv.FormatBool(data[0] != 0)
	case ir.F32:
		return strconv.FormatFloat(float64(math.Float32frombits(le.Uint32(data))), 'g', -1, 32)
	case ir.F64:
		return strconv.FormatFloat(math.Float64frombits(le.Uint64(data)), 'g', -1, 64)
	case ir.BF16:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(le.Uint16(data))<<16)), 'g', -1, 32)
	}
	var buf [8]byte
	copy(buf[:], data[:d.Size()])
	u := le.Uint64(buf[:])
	switch {
	case d.Category() == ir.Signed:
		shift := 64 - d.Bits()
		return strconv.FormatInt(int64(u<<shift)>>shift, 10)
	case d.Category() == ir.Unsigned:
		return strconv.FormatUint(u, 10)
	}
	return fmt.Sprintf("0x%x", u)
}

func (p *Plan) printProgram(b *bufio.Writer, g *Program) {
	fmt.Fprintf(b, "program @%s(%s) {\n", g.Name, regList(g.Params, g.Types))
	for i := range g.Calls {
		c := &g.Calls[i]
		line := p.CallText(c)
		var notes []string
		if len(c.Out) > 0 && g.Types[c.Out[0]].Kind != ir.NoType {
			notes = append(notes, g.Types[c.Out[0]].String())
		}
		if n := p.Loc(c.Loc).Node; n != "" {
			notes = append(notes, strconv.Quote(n))
		}
		if len(c.Free) > 0 {
			notes = append(notes, "free "+regList(c.Free, nil))
		}
		if len(notes) > 0 {
			line = fmt.Sprintf("%-40s ; %s", line, strings.Join(notes, " "))
		}
		b.WriteString("  " + line + "\n")
	}
	fmt.Fprintf(b, "  return %s\n}\n", regList(g.Results, nil))
}

// CallText is one call in the text form, without its notes.
func (p *Plan) CallText(c *Call) string {
	var b strings.Builder
	if len(c.Out) > 0 {
		b.WriteString(regList(c.Out, nil) + " = ")
	}
	b.WriteString(c.Op.String())
	if c.Op == Const {
		return b.String() + " @" + c.Args[0].(ir.Dim).String()
	}
	if len(c.In) > 0 {
		b.WriteString(" " + regList(c.In, nil))
	}
	for i, param := range Calls[c.Op].Params {
		b.WriteString([]string{" {", ", "}[min(i, 1)] + param.Name + " = " + p.argText(c.Args[i]))
	}
	if len(c.Args) > 0 {
		b.WriteString("}")
	}
	return b.String()
}

func (p *Plan) argText(a any) string {
	switch a := a.(type) {
	case []ir.Dim:
		return ir.Shape(a).String()
	case string:
		return strconv.Quote(a)
	case float64:
		return strconv.FormatFloat(a, 'g', -1, 64)
	case Prog:
		return "@" + p.Programs[a].Name
	}
	return fmt.Sprint(a)
}

func regList(regs []Reg, types []ir.Type) string {
	var b strings.Builder
	for i, r := range regs {
		if i > 0 {
			b.WriteString(", ")
		}
		if r < 0 {
			b.WriteByte('_')
			continue
		}
		b.WriteByte('%')
		b.WriteString(strconv.Itoa(int(r)))
		if types != nil && types[r].Kind != ir.NoType {
			b.WriteString(": " + types[r].String())
		}
	}
	return b.String()
}
