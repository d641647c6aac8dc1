package main

import (
	"fmt"
	"strings"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/spf13/cobra"
)

// precisionFlag reads a dtype that programs of f32 may compute in.
type precisionFlag ir.DType

func addPrecision(cmd *cobra.Command, d *ir.DType) {
	*d = ir.F32
	cmd.Flags().Var((*precisionFlag)(d), "precision", "compute what is f32 in f16 or bf16; inputs and outputs stay as they are")
}

func (p *precisionFlag) String() string { return ir.DType(*p).String() }
func (p *precisionFlag) Type() string   { return "f32|f16|bf16" }

func (p *precisionFlag) Set(s string) error {
	d, err := ir.ParseDType(s)
	if err == nil {
		_, err = passes.InPrecision(nil, d)
	}
	if err != nil {
		return fmt.Errorf("use f32, f16 or bf16")
	}
	*p = precisionFlag(d)
	return nil
}

// pipelineOf is the pipeline of that list, in that precision.
func pipelineOf(cmd *cobra.Command, list string, precision ir.DType) ([]passes.Pass, error) {
	pipe, err := passes.Pipeline(list)
	if err == nil {
		pipe, err = passes.InPrecision(pipe, precision)
	}
	if err != nil {
		return nil, wrongUse(cmd, "--passes: %v", err)
	}
	var halves []string
	for _, p := range pipe {
		if p.Name == "f16" || p.Name == "bf16" {
			halves = append(halves, p.Name)
		}
	}
	if len(halves) > 1 {
		return nil, wrongUse(cmd, "--passes and --precision: %s: name one precision, once", strings.Join(halves, " and "))
	}
	return pipe, nil
}
