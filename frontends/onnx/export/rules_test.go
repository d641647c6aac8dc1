package export_test

import (
	"testing"

	"github.com/emilyc/emily/frontends/onnx/export"
	"github.com/emilyc/emily/ir"
)

func TestRulesComplete(t *testing.T) {
	for k := range ir.NumKinds {
		if (export.Rules[k] == nil) == (export.Exempt[k] == "") {
			t.Errorf("%s: has a rule: %v, exempt: %q; it must be one of the two", k, export.Rules[k] != nil, export.Exempt[k])
		}
	}
}
