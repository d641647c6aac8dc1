package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
)

func TestScratchZoo(t *testing.T) {
	paths, _ := filepath.Glob(os.Getenv("ZOO"))
	for _, p := range paths {
		start := time.Now()
		f, err := Open(p)
		if err != nil {
			fmt.Println("OPEN", err)
			continue
		}
		opened := time.Since(start)
		start = time.Now()
		m, err := Import(f, Options{})
		took := time.Since(start)
		if err != nil {
			fmt.Println("FAIL", p, err)
			continue
		}
		start = time.Now()
		verr := ir.Verify(m)
		fmt.Println("ok", p, len(m.Main().Body.Ops), "facts", len(m.Main().Body.Facts.List), opened, took, "verify", time.Since(start), verr)
		if d := os.Getenv("DUMP"); d != "" {
			os.WriteFile(filepath.Join(d, filepath.Base(filepath.Dir(p))+".eir"), []byte(m.String()), 0o644)
		}
	}
}

func TestScratchOfficial(t *testing.T) {
	var paths []string
	filepath.Walk(os.Getenv("OFFICIAL"), func(p string, i os.FileInfo, err error) error {
		if filepath.Base(p) == "model.onnx" {
			paths = append(paths, p)
		}
		return nil
	})
	good, total := map[string]int{}, map[string]int{}
	fails := map[string][]string{}
	for _, p := range paths {
		f, err := Open(p)
		if err != nil {
			fmt.Println("OPEN", err)
			continue
		}
		op := "?"
		if len(f.Model.Graph.Node) > 0 {
			op = f.Model.Graph.Node[0].GetOpType()
		}
		name := filepath.Base(filepath.Dir(p))
		total[op]++
		m, err := Import(f, Options{})
		if err == nil {
			err = ir.Verify(m)
			if err != nil {
				err = fmt.Errorf("VERIFY %w", err)
			}
		}
		if err != nil {
			msg := strings.TrimPrefix(err.Error(), f.Path)
			fails[op] = append(fails[op], name+msg)
		} else {
			good[op]++
		}
		f.Close()
	}
	var ops []string
	n := 0
	for op := range total {
		ops = append(ops, op)
		n += good[op]
	}
	sort.Strings(ops)
	for _, op := range ops {
		if len(fails[op]) > 0 {
			fmt.Println("==", op, good[op], "/", total[op])
			for i, e := range fails[op] {
				if i < 400 {
					fmt.Println("    ", e)
				}
			}
		}
	}
	fmt.Println(n, "of", len(paths))
}
