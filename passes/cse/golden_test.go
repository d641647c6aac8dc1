package cse_test

import (
	"testing"

	"github.com/emilyc/emily/passes/cse"
	"github.com/emilyc/emily/passes/internal/golden"
)

func TestGolden(t *testing.T) { golden.Run(t, cse.Run, nil) }
