package runtime

import (
	"runtime"
	"sync"
)

// queueLength bounds the jobs that wait for a worker; callers past it wait in Run.
const queueLength = 64

// worker is a goroutine that makes all native calls of one MLX stream, so that no other goroutine sits in one. Since
// MLX 0.31.2 a stream belongs to the thread that made it, which then must be the goroutine's own. Where MLX has CPU
// streams for any thread (before 0.31.2, and again from 0.32 on) it stays free: a run then costs two switches between
// goroutines, 0.5 µs, in place of two wake-ups of a thread, which take 20 to 40 µs each in a virtual machine.
type worker struct {
	lib    *library
	handle uintptr
	jobs   chan func(*worker)
}

// workersPerDevice are the streams that executables are spread over. They live as long as the process: MLX keeps a
// stream for ever in some versions, so that a worker per executable would leak.
const workersPerDevice = 4

var pool struct {
	sync.Mutex
	workers [3][]*worker // of the CPU, of the GPU, of the CPU and pinned
	next    [3]int
}

// nextWorker gives the next worker of the device, round robin. A pinned one keeps to one thread, which mx::compile needs,
// as MLX keeps what it compiled by thread; those of a GPU always do.
func nextWorker(lib *library, gpu, pinned bool) (*worker, error) {
	d, n := 0, min(workersPerDevice, runtime.NumCPU())
	switch {
	case gpu:
		d, n = 1, 1
	case pinned:
		d, n = 2, 1
	}
	pool.Lock()
	defer pool.Unlock()
	if len(pool.workers[d]) < n {
		w, err := startWorker(lib, gpu, pinned)
		if err != nil {
			return nil, err
		}
		pool.workers[d] = append(pool.workers[d], w)
		return w, nil
	}
	pool.next[d] = (pool.next[d] + 1) % n
	return pool.workers[d][pool.next[d]], nil
}

func startWorker(lib *library, gpu, pinned bool) (*worker, error) {
	w := &worker{lib: lib, jobs: make(chan func(*worker), queueLength)}
	started := make(chan error)
	go func() {
		err := w.open(gpu, pinned)
		if started <- err; err != nil {
			return // and the thread ends with the goroutine
		}
		for job := range w.jobs {
			job(w)
		}
	}()
	return w, <-started
}

// open makes the stream, and pins the goroutine to its thread where it must be.
func (w *worker) open(gpu, pinned bool) (err error) {
	if !pinned {
		w.handle, err = w.lib.newWorker(gpu, false)
	}
	if w.handle == 0 && err == nil {
		runtime.LockOSThread()
		w.handle, err = w.lib.newWorker(gpu, true)
	}
	return err
}

// call runs f as a job and waits for it.
func (w *worker) call(f func(*worker)) {
	done := make(chan struct{})
	w.jobs <- func(w *worker) {
		f(w)
		close(done)
	}
	<-done
}
