package interp

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/emilyc/emily/ir"
)

// evalStringNormalize drops stopwords and changes the case of what remains; nothing remaining is one empty string. ONNX StringNormalizer.
func evalStringNormalize(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.StringNormalizeAttrs)
	change := caseOf(a.Case, a.Locale)
	same := func(s string) string { return s }
	if !a.Sensitive {
		if same = change; a.Case == "" {
			same = caseOf("lower", a.Locale)
		}
	}
	stop := map[string]bool{}
	for _, w := range a.Stopwords {
		stop[same(w)] = true
	}
	var kept []string
	for _, s := range x.Strings {
		if !stop[same(s)] {
			kept = append(kept, change(s))
		}
	}
	if kept == nil {
		kept = []string{""}
	}
	shape := []int{len(kept)}
	if len(x.Shape) == 2 {
		if x.Shape[0] != 1 {
			return nil, opError(op, ir.ShapeError, "string_normalize_c1", "%s of shape %v, wants one row", op.Kind, x.Shape)
		}
		shape = []int{1, len(kept)}
	}
	return []ir.Datum{&ir.Tensor{DType: ir.String, Shape: shape, Strings: kept}}, nil
}

// caseOf changes case by Unicode's rules, with those of Turkish and Azeri for i.
func caseOf(which, locale string) func(string) string {
	turkish := strings.HasPrefix(locale, "tr") || strings.HasPrefix(locale, "az")
	switch {
	case which == "lower" && turkish:
		return func(s string) string { return strings.ToLowerSpecial(unicode.TurkishCase, s) }
	case which == "upper" && turkish:
		return func(s string) string { return strings.ToUpperSpecial(unicode.TurkishCase, s) }
	case which == "lower":
		return strings.ToLower
	case which == "upper":
		return strings.ToUpper
	}
	return func(s string) string { return s }
}

// evalStringConcat joins strings one by one. ONNX StringConcat.
func evalStringConcat(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, b := tensor(args, 0), tensor(args, 1)
	shape, err := broadcastShapes(op, "string_concat_c2", a.Shape, b.Shape)
	if err != nil {
		return nil, err
	}
	if a, err = e.expand(op, a, shape); err != nil {
		return nil, err
	}
	if b, err = e.expand(op, b, shape); err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, ir.String, shape)
	if err != nil {
		return nil, err
	}
	bytes := 0
	for i := range out.Strings {
		if bytes += len(a.Strings[i]) + len(b.Strings[i]); bytes > e.prog.opts.tensorLimit {
			return nil, opError(op, ir.ShapeError, "", "%s: strings pass the limit of %d bytes", op.Kind, e.prog.opts.tensorLimit)
		}
		out.Strings[i] = a.Strings[i] + b.Strings[i]
	}
	return []ir.Datum{out}, nil
}

// evalStringSplit: the parts on a new last axis, short rows filled up with empty strings, and how many there are. ONNX StringSplit.
func evalStringSplit(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.StringSplitAttrs)
	counts, err := e.newTensor(op, ir.I64, x.Shape)
	if err != nil {
		return nil, err
	}
	rows, most := make([][]string, len(x.Strings)), 0
	for i, s := range x.Strings {
		rows[i] = splitString(s, a.Delimiter, int(min(a.Most, 1<<30)))
		ir.View[int64](counts)[i] = int64(len(rows[i]))
		most = max(most, len(rows[i]))
	}
	out, err := e.newTensor(op, ir.String, slices.Concat(x.Shape, []int{most}))
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		copy(out.Strings[i*most:], row)
	}
	return []ir.Datum{out, counts}, nil
}

// splitString splits s at most that often, any number of times where it is -1; without a delimiter, between words.
func splitString(s, delimiter string, most int) []string {
	if delimiter != "" {
		if most >= 0 {
			most++
		}
		return strings.SplitN(s, delimiter, most)
	}
	var words []string
	for s = strings.TrimSpace(s); s != ""; {
		end := strings.IndexFunc(s, unicode.IsSpace)
		if end < 0 || most == len(words) {
			return append(words, s)
		}
		words = append(words, s[:end])
		s = strings.TrimLeftFunc(s[end:], unicode.IsSpace)
	}
	return words
}

// evalRegexMatch: whether the pattern matches the whole string. ONNX RegexFullMatch.
func evalRegexMatch(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	re, err := ir.FullPattern(op.Attrs.(*ir.RegexAttrs).Pattern)
	if err != nil {
		return nil, opError(op, ir.AttrError, "regex_match_c2", "%v", err)
	}
	x := tensor(args, 0)
	out, err := e.newTensor(op, ir.Bool, x.Shape)
	if err != nil {
		return nil, err
	}
	for i, s := range x.Strings {
		ir.View[bool](out)[i] = re.MatchString(s)
	}
	return []ir.Datum{out}, nil
}

// gram is a node of the tree of n-grams: those that go on with a token, and the index of the one that ends here, -1 for none.
type gram struct {
	next  map[string]*gram
	index int64
}

// grams is the tree of the n-grams of a's lengths. Of those that are there twice, the last counts.
func grams(a *ir.NgramAttrs) *gram {
	pool := a.Strings
	for _, k := range a.Ints {
		pool = append(pool, strconv.FormatInt(k, 10))
	}
	root, at, id := &gram{index: -1}, 0, 0
	for i, from := range a.Counts {
		to, n := len(pool), i+1
		if n < len(a.Counts) {
			to = int(a.Counts[n])
		}
		for at = int(from); at < to; at += n {
			if int64(n) >= a.Least && int64(n) <= a.Most {
				root.add(pool[at:at+n], a.Indexes[id])
			}
			id++
		}
	}
	return root
}

func (g *gram) add(tokens []string, index int64) {
	for _, t := range tokens {
		if g.next == nil {
			g.next = map[string]*gram{}
		}
		if g.next[t] == nil {
			g.next[t] = &gram{index: -1}
		}
		g = g.next[t]
	}
	g.index = index
}

// count counts the n-grams in row, with up to a.Skip tokens left out between neighbours; single tokens once.
func (g *gram) count(a *ir.NgramAttrs, row []string, counts []float64) {
	least := int(min(a.Least, int64(len(row))+1))
	for step := 1; step <= int(min(a.Skip, int64(len(row))))+1; step++ {
		for start := 0; start+step*(least-1) < len(row); start++ {
			node, length := g, 1
			for at := start; at < len(row) && int64(length) <= a.Most; at += step {
				if node = node.next[row[at]]; node == nil {
					break
				}
				if length >= least && node.index >= 0 {
					counts[node.index]++
				}
				length++
			}
		}
		if least == 1 {
			if least++; int64(least) > a.Most {
				return
			}
		}
	}
}

// evalNgrams: ONNX TfIdfVectorizer. Weights go by index of the result, as in onnxruntime and in ONNX's reference.
func evalNgrams(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.NgramAttrs)
	n, rows, width := int(a.Size()), 1, x.Len()
	shape := []int{n}
	if len(x.Shape) == 2 {
		rows, width = x.Shape[0], x.Shape[1]
		shape = []int{rows, n}
	}
	out, err := e.newTensor(op, ir.F32, shape)
	if err != nil {
		return nil, err
	}
	tokens := x.Strings
	if x.DType != ir.String {
		for _, k := range ints(x) {
			tokens = append(tokens, strconv.FormatInt(k, 10))
		}
	}
	root := grams(a)
	for r := range rows {
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		counts := make([]float64, n)
		root.count(a, tokens[r*width:(r+1)*width], counts)
		for i, v := range counts {
			if a.Mode == "idf" {
				v = min(v, 1)
			}
			if a.Mode != "tf" && len(a.Weights) > 0 {
				v *= a.Weights[i]
			}
			ir.View[float32](out)[r*n+i] = float32(v)
		}
	}
	return []ir.Datum{out}, nil
}
