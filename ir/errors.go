package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// ErrorKind says what is wrong, for those who handle errors by kind.
type ErrorKind uint8

// The kinds of an Error.
const (
	Malformed    ErrorKind = iota // the module's structure: text, arity, order of definitions
	ShapeError                    // sizes or ranks
	DTypeError                    // element types
	AttrError                     // attributes
	ValueError                    // contents of an operand, such as an index out of range
	UnknownValue                  // Arg has to be known at compile time and is not
)

var errorKinds = [...]string{"malformed", "shape", "dtype", "attribute", "value", "unknown value"}

// clip keeps a message that quotes its input readable.
func clip(s string) string {
	const most = 2000
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// NameList is names for a message, in quotes; a long list, and long names, in part.
func NameList(names []string) string {
	const most, longest = 12, 200
	if len(names) == 0 {
		return "(there are none)"
	}
	var parts []string
	for _, n := range names[:min(len(names), most)] {
		if len(n) > longest {
			n = n[:longest] + "…"
		}
		parts = append(parts, strconv.Quote(n))
	}
	if len(names) > most {
		parts = append(parts, fmt.Sprintf("… (%d in all)", len(names)))
	}
	return strings.Join(parts, ", ")
}

func (k ErrorKind) String() string { return errorKinds[k] }

// Error is a broken constraint of an op or a module.
type Error struct {
	Kind   ErrorKind
	Label  string // of the constraint, such as concat_c2: the same in docs/, in the verifier and in tests
	Op     Kind
	Loc    Loc
	Msg    string
	Remedy string // how to mend it, where that is known
	Arg    *Value // of an UnknownValue
}

func (e *Error) Error() string {
	s := clip(e.Msg)
	if l := e.Loc.String(); l != "" {
		s = clip(l) + ": " + s
	}
	if e.Label != "" {
		s += fmt.Sprintf(" [%s]", e.Label)
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}
