package grad_test

import (
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// TestRulesComplete holds that every kind has a rule or a reason for having none.
func TestRulesComplete(t *testing.T) {
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if (grad.Rules[k] != nil) == (grad.Exempt[k] != "") {
			t.Errorf("%s needs a rule, or a reason for having none", k)
		}
	}
}
