package ir

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// TestSizes pins the structs that a large model has many of: a field more is a decision.
func TestSizes(t *testing.T) {
	got := map[string]uintptr{
		"Op": unsafe.Sizeof(Op{}), "Value": unsafe.Sizeof(Value{}), "Use": unsafe.Sizeof(Use{}), "Dim": unsafe.Sizeof(Dim{}),
		"Type": unsafe.Sizeof(Type{}), "Loc": unsafe.Sizeof(Loc{}), "Fact": unsafe.Sizeof(Fact{}),
	}
	want := map[string]uintptr{"Op": 128, "Value": 128, "Use": 16, "Dim": 16, "Type": 40, "Loc": 96, "Fact": 48}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
