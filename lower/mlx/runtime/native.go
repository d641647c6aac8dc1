// Package runtime runs Plans on MLX. It is the only package with native code: a small shim over MLX's C++ API,
// embedded here as source, built once per MLX version by Setup and loaded without cgo.
package runtime

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// abiVersion is that of the shim's structures and entries.
const abiVersion = 2

// library is the loaded shim. Entries are called by address: their few integer and pointer arguments need no
// conversion, and a run makes two calls.
type library struct {
	install Installation
	blas    string // what was loaded before MLX, empty for MLX's own

	version, gpuAvailable, hasCall                       uintptr
	workerNew, planNew, planFree, run, resultFree        uintptr
	planCompile, sessionNew, sessionFree                 uintptr
	sessionSet, sessionGet                               uintptr
	memory, memoryReset, cacheLimit, stringFree, abiProc uintptr
}

// tensorDesc is EmilyTensor of the shim.
type tensorDesc struct {
	data  unsafe.Pointer
	dims  unsafe.Pointer // *int64
	ndim  int32
	dtype int32
}

// listRank marks a list: its one dim is its length, and its elements follow it.
const listRank = -1

// resultDesc is EmilyResult of the shim.
type resultDesc struct {
	tensors unsafe.Pointer // *tensorDesc
	err     unsafe.Pointer // *char
	count   int32
	status  int32
	program int32
	call    int32
}

const (
	statusOK = iota
	statusError
	statusCancelled
)

var loaded struct {
	sync.Mutex
	lib *library
}

// open loads MLX and the shim on first use. A failure is not remembered: Setup may mend it.
func open() (*library, error) {
	loaded.Lock()
	defer loaded.Unlock()
	if loaded.lib != nil {
		return loaded.lib, nil
	}
	inst, err := Find()
	if err != nil {
		return nil, err
	}
	shim := inst.shimPath()
	if !isFile(shim) {
		return nil, &SetupError{Missing: "the shim is not built for MLX " + inst.Version + " in " + inst.Dir, Remedy: "run `emilyc setup`"}
	}
	lib, err := load(inst, shim)
	if err != nil {
		return nil, err
	}
	loaded.lib = lib
	return lib, nil
}

func load(inst Installation, shim string) (*library, error) {
	lib := &library{install: inst, blas: loadBLAS()}
	if _, err := purego.Dlopen(inst.Library, purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
		return nil, &SetupError{Missing: fmt.Sprintf("cannot load MLX: %v", err), Remedy: "run `emilyc doctor`"}
	}
	h, err := purego.Dlopen(shim, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, &SetupError{Missing: fmt.Sprintf("cannot load the shim: %v", err), Remedy: "run `emilyc setup` again"}
	}
	for name, f := range map[string]*uintptr{
		"emily_abi": &lib.abiProc, "emily_version": &lib.version, "emily_gpu_available": &lib.gpuAvailable,
		"emily_has_call": &lib.hasCall, "emily_worker_new": &lib.workerNew, "emily_plan_new": &lib.planNew,
		"emily_plan_compile": &lib.planCompile, "emily_plan_free": &lib.planFree, "emily_run": &lib.run, "emily_result_free": &lib.resultFree,
		"emily_session_new": &lib.sessionNew, "emily_session_free": &lib.sessionFree, "emily_session_set": &lib.sessionSet, "emily_session_get": &lib.sessionGet,
		"emily_memory": &lib.memory, "emily_memory_reset": &lib.memoryReset, "emily_cache_limit": &lib.cacheLimit,
		"emily_string_free": &lib.stringFree,
	} {
		if *f, err = purego.Dlsym(h, name); err != nil {
			return nil, &SetupError{Missing: fmt.Sprintf("the shim lacks %s", name), Remedy: "run `emilyc setup` again"}
		}
	}
	if v, _, _ := purego.SyscallN(lib.abiProc); int32(v) != abiVersion {
		return nil, &SetupError{Missing: fmt.Sprintf("the shim has ABI %d, want %d", int32(v), abiVersion), Remedy: "run `emilyc setup` again"}
	}
	return lib, nil
}

// pointer turns what a native call returned into a pointer to native memory.
func pointer(r uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&r)) }

// goString copies a C string.
func goString(p unsafe.Pointer) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}

func (l *library) mlxVersion() string {
	r, _, _ := purego.SyscallN(l.version)
	return goString(pointer(r))
}

func (l *library) hasGPU() bool {
	r, _, _ := purego.SyscallN(l.gpuAvailable)
	return int32(r) != 0
}

// has reports whether the shim has a call of that name.
func (l *library) has(name string) bool {
	b := append([]byte(name), 0)
	r, _, _ := purego.SyscallN(l.hasCall, uintptr(unsafe.Pointer(&b[0])))
	return int32(r) != 0
}

// newWorker makes a stream of the calling thread, where pinned, or of all threads; 0 without an error means that MLX
// has none of the latter.
func (l *library) newWorker(gpu, pinned bool) (uintptr, error) {
	msg := new(unsafe.Pointer)
	h, _, _ := purego.SyscallN(l.workerNew, flag(gpu), flag(pinned), uintptr(unsafe.Pointer(msg)))
	if *msg == nil {
		return h, nil
	}
	defer purego.SyscallN(l.stringFree, uintptr(*msg))
	return 0, fmt.Errorf("MLX: no stream: %s", goString(*msg))
}

func flag(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// MemoryStats are the bytes of MLX's allocator, over all executables of the process.
type MemoryStats struct{ Active, Peak, Cache int64 }

// Memory reads MLX's allocator. Inputs and weights that are used in place do not count.
func Memory() (MemoryStats, error) {
	l, err := open()
	if err != nil {
		return MemoryStats{}, err
	}
	var v [3]int64
	purego.SyscallN(l.memory, uintptr(unsafe.Pointer(&v[0])))
	return MemoryStats{v[0], v[1], v[2]}, nil
}

// ResetMemory sets the peak to what is in use and gives cached buffers back to the system.
func ResetMemory() error {
	l, err := open()
	if err == nil {
		purego.SyscallN(l.memoryReset)
	}
	return err
}

// SetCacheLimit bounds the bytes of freed buffers that MLX keeps for reuse.
func SetCacheLimit(bytes int64) error {
	l, err := open()
	if err == nil {
		purego.SyscallN(l.cacheLimit, uintptr(bytes))
	}
	return err
}

// Version is that of the MLX in use, and whether it has a GPU.
func Version() (version string, gpu bool, err error) {
	l, err := open()
	if err != nil {
		return "", false, err
	}
	return l.mlxVersion(), l.hasGPU(), nil
}
