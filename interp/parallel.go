package interp

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// workerPanic is a panic of a worker, with its stack, which the caller's own does not show.
type workerPanic struct {
	value any
	stack []byte
}

func (p *workerPanic) String() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// parallel calls f on consecutive parts of [0, n) from all cores. A part is a multiple of grain, but for the last. A panic
// of f ends the other workers after their part and goes on in the caller's goroutine, which may recover.
func parallel(n, grain int, f func(lo, hi int)) {
	workers := min(runtime.GOMAXPROCS(0), (n+grain-1)/grain)
	if workers <= 1 {
		if n > 0 {
			f(0, n)
		}
		return
	}
	// Four parts a worker even out cores that are slower.
	part := max((n/(4*workers)+grain-1)/grain, 1) * grain
	var next atomic.Int64
	var failed atomic.Pointer[workerPanic]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					failed.CompareAndSwap(nil, &workerPanic{v, debug.Stack()})
					next.Store(int64(n))
				}
			}()
			for {
				hi := int(next.Add(int64(part)))
				lo := hi - part
				if lo >= n {
					return
				}
				f(lo, min(hi, n))
			}
		})
	}
	wg.Wait()
	if p := failed.Load(); p != nil {
		panic(p)
	}
}

// parallelRows is parallel over n rows of size elements each, with parts worth a goroutine.
func parallelRows(n, size int, f func(lo, hi int)) {
	parallel(n, max(1, 1<<14/max(size, 1)), f)
}
