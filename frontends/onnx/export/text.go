package export

import (
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

func exportStringNormalize(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.StringNormalizeAttrs)
	attrs := []*pb.AttributeProto{boolAttr("is_case_sensitive", a.Sensitive), nil, nil, nil}
	if a.Case != "" {
		attrs[1] = stringAttr("case_change_action", strings.ToUpper(a.Case))
	}
	if a.Locale != "" {
		attrs[2] = stringAttr("locale", a.Locale)
	}
	if len(a.Stopwords) > 0 {
		attrs[3] = stringsAttr("stopwords", a.Stopwords)
	}
	g.emit("StringNormalizer", g.args(), attrs...)
}

func exportStringSplit(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.StringSplitAttrs)
	attrs := []*pb.AttributeProto{nil, nil}
	if a.Delimiter != "" {
		attrs[0] = stringAttr("delimiter", a.Delimiter)
	}
	if a.Most >= 0 {
		attrs[1] = intAttr("maxsplit", a.Most)
	}
	g.emit("StringSplit", g.args(), attrs...)
}

func exportRegexMatch(g *graph, op *ir.Op) {
	g.emit("RegexFullMatch", g.args(), stringAttr("pattern", op.Attrs.(*ir.RegexAttrs).Pattern))
}

func exportNgrams(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.NgramAttrs)
	modes := map[string]string{"tf": "TF", "idf": "IDF", "tfidf": "TFIDF"}
	attrs := []*pb.AttributeProto{
		stringAttr("mode", modes[a.Mode]), intAttr("min_gram_length", a.Least), intAttr("max_gram_length", a.Most),
		intAttr("max_skip_count", a.Skip), intsAttr("ngram_counts", a.Counts), intsAttr("ngram_indexes", a.Indexes), nil, nil,
	}
	if len(a.Strings) > 0 {
		attrs[6] = stringsAttr("pool_strings", a.Strings)
	} else {
		attrs[6] = intsAttr("pool_int64s", a.Ints)
	}
	if len(a.Weights) > 0 {
		attrs[7] = floatsAttr("weights", a.Weights)
	}
	g.emit("TfIdfVectorizer", g.args(), attrs...)
}
