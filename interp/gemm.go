package interp

import (
	"runtime"
	"slices"
	"sync"
	"unsafe"
)

// matrix is something that can be read by rows as float64: a tensor of any float dtype, or the patches of a convolution.
type matrix interface {
	// row fills dst with elements (r, c), (r, c+1), …
	row(dst []float64, r, c int)
}

// sink takes the elements of a product.
type sink interface {
	// put stores v as elements (r, c), (r, c+1), … It is called once for each element, from many goroutines.
	put(r, c int, v []float64)
}

// gemm is out = a × b: m×k by k×n.
type gemm struct {
	a, b  matrix
	out   sink
	flipB bool // b's rows are the columns of the product's right side
}

// The product goes by blocks that fit the caches: rows × depth of a, depth × cols of b, both packed as float64,
// and rows × cols of sums. Packing converts, so that no whole operand is ever held as float64.
const (
	blockRows  = 128
	blockCols  = 240
	blockDepth = 128

	thinRows = 4    // products of no more rows go without packing
	thinCols = 1024 // by runs of b that fit the first-level cache
)

// microkernel adds the product of a packed panel of mr rows of a and one of nr columns of b to mr × nr sums,
// which lie ldc apart.
type microkernel struct {
	mr, nr int
	run    func(k int, a, b, c *float64, ldc int)
}

type workspace struct {
	a, b, c, row []float64
}

var workspaces = sync.Pool{New: func() any {
	return &workspace{
		a:   make([]float64, blockRows*blockDepth),
		b:   make([]float64, blockDepth*blockCols),
		c:   make([]float64, blockRows*blockCols),
		row: make([]float64, thinCols),
	}
}}

// multiply runs count products of the same sizes; product(i) is the i-th.
func multiply(count, m, n, k int, product func(i int) gemm) {
	rowBlocks, rows := blocks(m, blockRows, kernel.mr)
	colBlocks, cols := blocks(n, blockCols, kernel.nr)
	block := gemm.block
	if m <= thinRows {
		colBlocks, cols = blocks(n, min(thinCols, max(n/(2*runtime.GOMAXPROCS(0)), 64)), kernel.nr)
		block = gemm.thin
	}
	tasks := rowBlocks * colBlocks
	parallelRows(count*tasks, min(m, rows)*min(n, cols)*max(k, 1), func(lo, hi int) {
		ws := workspaces.Get().(*workspace)
		defer workspaces.Put(ws)
		for t := lo; t < hi; t++ {
			g := product(t / tasks)
			r, c := t%tasks/colBlocks*rows, t%tasks%colBlocks*cols
			block(g, ws, r, min(rows, m-r), c, min(cols, n-c), k)
		}
	})
}

// blocks divides n into parts of about equal size, at most limit and a multiple of unit.
func blocks(n, limit, unit int) (count, size int) {
	limit = max(unit, limit/unit*unit) // so that rounding up does not pass it
	count = (n + limit - 1) / limit
	if count == 0 {
		return 0, unit
	}
	size = roundUp((n+count-1)/count, unit)
	return (n + size - 1) / size, size
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// block computes rows [r, r+m) and columns [c, c+n) of the product.
func (g gemm) block(ws *workspace, r, m, c, n, k int) {
	mr, nr := kernel.mr, kernel.nr
	mp, np := roundUp(m, mr), roundUp(n, nr)
	clear(ws.c[:mp*np])
	for d := 0; d < k; d += blockDepth {
		depth := min(blockDepth, k-d)
		packRows(ws.a, ws.row, g.a, r, m, d, depth, mr)
		if g.flipB {
			packRows(ws.b, ws.row, g.b, c, n, d, depth, nr)
		} else {
			g.packB(ws, c, n, d, depth)
		}
		for j := 0; j < np; j += nr {
			for i := 0; i < mp; i += mr {
				kernel.run(depth, &ws.a[i*depth], &ws.b[j*depth], &ws.c[i*np+j], np)
			}
		}
	}
	for i := range m {
		g.out.put(r+i, c, ws.c[i*np:i*np+n])
	}
}

// thin is block for few rows, such as one token's: each element of b is read once and meets every row of a.
func (g gemm) thin(ws *workspace, r, m, c, n, k int) {
	sums := ws.c[:m*n]
	clear(sums)
	for d := 0; d < k; d += thinCols {
		depth := min(thinCols, k-d)
		for i := range m {
			g.a.row(ws.a[i*thinCols:][:depth], r+i, d)
		}
		if g.flipB {
			g.thinColumns(ws, m, c, n, d, depth)
		} else {
			g.thinRows(ws, m, c, n, d, depth)
		}
	}
	for i := range m {
		g.out.put(r+i, c, sums[i*n:][:n])
	}
}

func (g gemm) thinRows(ws *workspace, m, c, n, d, depth int) {
	row := ws.row[:n]
	for p := range depth {
		g.b.row(row, d+p, c)
		for i := range m {
			addScaled(ws.c[i*n:][:n], ws.a[i*thinCols+p], row)
		}
	}
}

func (g gemm) thinColumns(ws *workspace, m, c, n, d, depth int) {
	column := ws.row[:depth]
	for j := range n {
		g.b.row(column, c+j, d)
		for i := range m {
			ws.c[i*n+j] += dot(ws.a[i*thinCols:][:depth], column)
		}
	}
}

// packRows lays out n rows of x in panels of width, by column. What a panel has past the last row stays as it is: the sums
// that it goes into are not read.
func packRows(dst, row []float64, x matrix, r, n, d, depth, width int) {
	row = row[:depth]
	for i := range n {
		x.row(row, r+i, d)
		panel := dst[i/width*width*depth+i%width:]
		for p, v := range row {
			panel[p*width] = v
		}
	}
}

// packB lays out b's columns in panels of nr, by row.
func (g gemm) packB(ws *workspace, c, n, d, depth int) {
	nr := kernel.nr
	row := ws.row[:n]
	for p := range depth {
		g.b.row(row, d+p, c)
		for j := 0; j < n; j += nr {
			copy(ws.b[j*depth+p*nr:][:nr], row[j:])
		}
	}
}

// portable is the microkernel for machines without another.
var portable = microkernel{4, 4, func(k int, a, b, c *float64, ldc int) {
	multiplyGo(k, unsafe.Slice(a, 4*k), unsafe.Slice(b, 4*k), unsafe.Slice(c, 3*ldc+4), ldc)
}}

func multiplyGo(k int, a, b, c []float64, ldc int) {
	for i := range 4 {
		var s0, s1, s2, s3 float64
		for p := range k {
			v, w := a[p*4+i], b[p*4:p*4+4]
			s0 += v * w[0]
			s1 += v * w[1]
			s2 += v * w[2]
			s3 += v * w[3]
		}
		row := c[i*ldc : i*ldc+4]
		row[0] += s0
		row[1] += s1
		row[2] += s2
		row[3] += s3
	}
}

// batchPlaces is where the matrix of each batch starts, in an operand of batch axes shape and matrices of that size.
func batchPlaces(batch, shape []int, size int) []int {
	n := product(batch)
	out := make([]int, 0, n)
	strides := broadcastStrides(shape, batch)
	index := make([]int, len(batch))
	at := 0
	for range n {
		out = append(out, at*size)
		for i, k := range slices.Backward(batch) {
			index[i]++
			at += strides[i]
			if index[i] < k {
				break
			}
			at -= index[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}
