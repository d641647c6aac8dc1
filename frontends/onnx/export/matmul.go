package export

import "github.com/emilyc/emily/ir"

// exportLinear: Gemm is of matrices only.
func exportLinear(g *graph, op *ir.Op) {
	if op.Args[0].Rank() == 2 {
		g.emit("Gemm", g.args())
		return
	}
	g.emit("Add", []string{g.one("MatMul", g.args()[:2]), g.arg(2)})
}
