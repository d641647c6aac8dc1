package onnx

import (
	"strings"

	"github.com/emilyc/emily/ir"
)

var textRows = []row{
	{"", "StringNormalizer", since(10), importStringNormalizer},
	{"", "StringConcat", since(20), importStringConcat},
	{"", "StringSplit", since(20), importStringSplit},
	{"", "RegexFullMatch", since(20), importRegexFullMatch},
	{"", "TfIdfVectorizer", since(9), importTfIdf},
}

func importStringNormalizer(n *Node) []*ir.Value {
	change := n.String("case_change_action", "NONE")
	cases := map[string]string{"NONE": "", "LOWER": "lower", "UPPER": "upper"}
	to, ok := cases[change]
	if !ok {
		return one(n.fail(Invalid, "give LOWER, UPPER or NONE", "case_change_action is %q", clip(change)))
	}
	return one(n.op(ir.StringNormalize, &ir.StringNormalizeAttrs{
		Case: to, Sensitive: n.Int("is_case_sensitive", 0) != 0, Locale: n.String("locale", ""), Stopwords: n.Strings("stopwords"),
	}, n.in[0]))
}

func importStringConcat(n *Node) []*ir.Value {
	return one(n.op(ir.StringConcat, nil, n.in[0], n.in[1]))
}

func importStringSplit(n *Node) []*ir.Value {
	a := &ir.StringSplitAttrs{Delimiter: n.String("delimiter", ""), Most: max(n.Int("maxsplit", -1), -1)}
	return n.b.Ops(ir.StringSplit, a, nil, n.in[0])
}

func importRegexFullMatch(n *Node) []*ir.Value {
	return one(n.op(ir.RegexMatch, &ir.RegexAttrs{Pattern: n.String("pattern", "")}, n.in[0]))
}

func importTfIdf(n *Node) []*ir.Value {
	a := &ir.NgramAttrs{
		Mode: strings.ToLower(n.String("mode", "")), Least: n.Int("min_gram_length", 1), Most: n.Int("max_gram_length", 1), Skip: n.Int("max_skip_count", 0),
		Counts: n.Ints("ngram_counts"), Indexes: n.Ints("ngram_indexes"), Ints: n.Ints("pool_int64s"), Strings: n.Strings("pool_strings"),
	}
	for _, w := range n.Floats("weights") {
		a.Weights = append(a.Weights, float64(w))
	}
	return one(n.op(ir.Ngrams, a, n.in[0]))
}
