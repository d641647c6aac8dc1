package ir

import (
	"errors"
	"regexp"
	"slices"
)

// The attributes of the text family.
type (
	// StringNormalizeAttrs: Case is "lower", "upper" or "" for none; Locale is a name such as en_US, "" for no language's rules.
	StringNormalizeAttrs struct {
		Case      string   `ir:"case"`
		Sensitive bool     `ir:"sensitive"`
		Locale    string   `ir:"locale"`
		Stopwords []string `ir:"stopwords"`
	}
	// StringSplitAttrs: at Delimiter, or between words where it is empty; at most Most times, any number where that is -1.
	StringSplitAttrs struct {
		Delimiter string `ir:"delimiter"`
		Most      int64  `ir:"most,always"`
	}
	// RegexAttrs: a pattern in the syntax of RE2.
	RegexAttrs struct {
		Pattern string `ir:"pattern,always"`
	}
	// NgramAttrs: the n-grams of a pool, of integers or Strings, as ONNX TfIdfVectorizer lists them. Mode is "tf", "idf" or "tfidf".
	NgramAttrs struct {
		Mode    string    `ir:"mode,always"`
		Least   int64     `ir:"least,always"` // length of n-grams
		Most    int64     `ir:"most,always"`
		Skip    int64     `ir:"skip"`
		Counts  []int64   `ir:"counts"`  // where the n-grams of length 1, 2, … start in the pool
		Indexes []int64   `ir:"indexes"` // of the result, by n-gram
		Ints    []int64   `ir:"ints"`
		Strings []string  `ir:"strings"`
		Weights []float64 `ir:"weights"` // by index of the result
	}
)

// text makes sure that operand i is of strings.
func (c *Infer) text(label string, i int) bool {
	return c.dtype(label, i, c.arg(i).DType() == String, "strings")
}

// inferStringNormalize: string_normalize_c1 strings of shape [n] or [1, n], string_normalize_c2 the case.
func inferStringNormalize(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*StringNormalizeAttrs)
	if !c.text("string_normalize_c1", 0) {
		return
	}
	if x.Rank() != 1 && x.Rank() != 2 {
		c.fail(ShapeError, "string_normalize_c1", "string_normalize of %s", x.Type)
		return
	}
	if !slices.Contains([]string{"", "lower", "upper"}, a.Case) {
		c.fail(AttrError, "string_normalize_c2", "case %q", a.Case)
		return
	}
	shape := Shape{Unknown}
	if x.Rank() == 2 {
		c.same("string_normalize_c1", x.Shape()[0], Size(1), "rows")
		shape = Shape{Size(1), Unknown}
	}
	c.tensor(String, shape)
}

// inferStringConcat: string_concat_c1 strings, string_concat_c2 shapes that broadcast.
func inferStringConcat(c *Infer) {
	if c.text("string_concat_c1", 0) && c.text("string_concat_c1", 1) {
		c.tensor(String, c.broadcast("string_concat_c2", c.arg(0).Shape(), c.arg(1).Shape()))
	}
}

// inferStringSplit: string_split_c1 strings, string_split_c2 how often.
func inferStringSplit(c *Infer) {
	if !c.text("string_split_c1", 0) {
		return
	}
	if most := c.op.Attrs.(*StringSplitAttrs).Most; most < -1 {
		c.fail(AttrError, "string_split_c2", "at most %d splits", most)
		return
	}
	shape := c.arg(0).Shape()
	c.tensor(String, append(slices.Clone(shape), Unknown))
	c.tensor(I64, shape)
}

// inferRegexMatch: regex_match_c1 strings, regex_match_c2 a pattern of RE2.
func inferRegexMatch(c *Infer) {
	if !c.text("regex_match_c1", 0) {
		return
	}
	if _, err := FullPattern(c.op.Attrs.(*RegexAttrs).Pattern); err != nil {
		c.fail(AttrError, "regex_match_c2", "%v", err)
		return
	}
	c.tensor(Bool, c.arg(0).Shape())
}

// maxPattern bounds the length of a pattern.
const maxPattern = 1 << 16

// FullPattern compiles a pattern so that it matches whole strings only.
func FullPattern(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, errTooLong
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// inferNgrams: ngrams_c1 strings or i32 or i64 as the pool has them, of rank 0, 1 or 2, ngrams_c2 lengths, counts and indexes that fit
// the pool, ngrams_c3 the mode, and a weight for each index.
func inferNgrams(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*NgramAttrs)
	pool, ok := int64(len(a.Ints)), x.DType() == I64 || x.DType() == I32
	if len(a.Strings) > 0 {
		pool, ok = int64(len(a.Strings)), x.DType() == String
	}
	if !ok || x.Rank() > 2 {
		c.fail(DTypeError, "ngrams_c1", "n-grams of %s", x.Type)
		return
	}
	if !a.fits(pool) {
		c.fail(AttrError, "ngrams_c2", "n-grams of %d to %d of a pool of %d, counts %v, %d indexes", a.Least, a.Most, pool, a.Counts, len(a.Indexes))
		return
	}
	n := a.Size()
	if !slices.Contains([]string{"tf", "idf", "tfidf"}, a.Mode) || len(a.Weights) > 0 && int64(len(a.Weights)) < n {
		c.fail(AttrError, "ngrams_c3", "mode %q with %d weights for %d results", a.Mode, len(a.Weights), n)
		return
	}
	shape := Shape{Size(n)}
	if x.Rank() == 2 {
		shape = Shape{x.Shape()[0], Size(n)}
	}
	c.tensor(F32, shape)
}

// Size is the number of results of a row.
func (a *NgramAttrs) Size() int64 { return slices.Max(a.Indexes) + 1 }

// maxNgrams bounds the results of a row.
const maxNgrams = 1 << 28

// fits reports whether lengths, counts and indexes are those of a pool of that size.
func (a *NgramAttrs) fits(pool int64) bool {
	if a.Least < 1 || a.Most < a.Least || a.Skip < 0 || len(a.Counts) == 0 || len(a.Indexes) == 0 || int64(len(a.Counts)) < a.Most || len(a.Ints) > 0 && len(a.Strings) > 0 {
		return false
	}
	ngrams := int64(0)
	for i, from := range a.Counts {
		to := pool
		if i+1 < len(a.Counts) {
			to = a.Counts[i+1]
		}
		if from < 0 || to < from || to > pool || (to-from)%int64(i+1) != 0 {
			return false
		}
		ngrams += (to - from) / int64(i+1)
	}
	return ngrams == int64(len(a.Indexes)) && slices.Min(a.Indexes) >= 0 && slices.Max(a.Indexes) < maxNgrams
}

var errTooLong = errors.New("the pattern is too long")
