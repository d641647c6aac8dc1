package main

import (
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/spf13/cobra"
)

type checkJSON struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func newDoctor(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Say what is wrong with this machine, and how to mend it",
		Long:    "Doctor looks at all that the mlx lane needs. Without MLX everything else works: models run in the interpreter.",
		Args:    needs(0, 0, "argument"),
		Example: "emilyc doctor",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := []checkJSON{}
			wrong := 0
			for _, c := range runtime.Diagnose() {
				list = append(list, checkJSON{c.Name, c.OK, c.Detail, c.Remedy})
				if !c.OK {
					wrong++
				}
			}
			err := o.print(cmd, list, func(w *writer) { printChecks(w, list, wrong) })
			if err == nil && wrong > 0 {
				err = errDiffers
			}
			return err
		},
	}
}

func printChecks(w *writer, list []checkJSON, wrong int) {
	rows := [][]string{}
	for _, c := range list {
		state := "ok"
		if !c.OK {
			state = "WRONG"
		}
		rows = append(rows, []string{c.Name, state, c.Detail})
	}
	w.table(rows)
	for _, c := range list {
		if !c.OK && c.Remedy != "" {
			w.printf("%s: %s\n", c.Name, c.Remedy)
		}
	}
	if wrong == 0 {
		w.printf("nothing is wrong\n")
	}
}
