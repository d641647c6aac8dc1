# make demo: build emilyc, make MLX ready, compile and verify a real model of the seven families.
# make test: everything; CI calls it.

GO ?= go
ZOO = conformance/testdata/zoo
EXPECTED = conformance/testdata/expected/onnx.txt
# MLX's lanes where setup makes them ready, else the interpreter's alone.
READY = bin/emilyc setup >/dev/null 2>&1
LANES = $(shell $(READY) && echo interp,interp-opt,roundtrip,mlx,python || echo interp,interp-opt,roundtrip)

.PHONY: demo test build setup check unit race conformance expected status bench bench-gpu clean

demo: build
	@bin/emilyc setup || { echo; echo "MLX is not ready, so the interpreter runs the models. What is missing:"; bin/emilyc doctor || true; echo; }
	bin/emilyc compile $(ZOO)/modernbert/model.onnx -o bin/modernbert.safetensors
	bin/emilyc inspect $(ZOO)/modernbert/model.onnx
	bin/emilyc verify $(ZOO) --lanes $(LANES)

test: check build setup unit race conformance

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -o bin/emilyc ./cmd/emilyc

# Without pip or a C++ compiler the mlx lanes are left out, and said to be.
setup: build
	-bin/emilyc setup

check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...

unit:
	$(GO) test -timeout 15m ./...

# The race detector needs cgo and a C compiler.
race:
	@if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null; then \
	  set -x; $(GO) test -race -timeout 10m -run 'Concurrent|Cancel' . ./lower/mlx/runtime ./interp; \
	else echo "no C compiler: the race detector is left out"; fi

# Needs pip, to fetch the cases.
conformance: build
	@if python3 -m pip --version >/dev/null 2>&1; then \
	  set -x; bin/emilyc conformance onnx onnx-go --lanes interp,onnx && \
	  if bin/emilyc doctor >/dev/null 2>&1; then $(COUNT); else echo "no MLX: what passes is not compared with docs/status.md"; fi; \
	else echo "no pip: the official cases are left out"; fi

# After operators were added: the list of cases that still fail.
expected: build
	bin/emilyc conformance onnx --expect $(EXPECTED) --update

TOTALS = conformance/testdata/totals/onnx.txt
COUNT = bin/emilyc conformance onnx --lanes interp,mlx --fallback error --totals $(TOTALS)

# What passes, and docs/status.md, which says so. Needs pip and MLX.
status: build
	$(COUNT) --update
	bin/emilyc ops --markdown $(TOTALS) >docs/status.md

# Against hand-written Python MLX and others, side by side: see docs/benchmarks.md. Python is $$EMILY_PYTHON, or python3.
GRAPHS ?= bin/graphs
PYTHON = $(or $(EMILY_PYTHON),python3)

bench: setup $(GRAPHS)
	$(GO) run ./examples/benchmarks $(GRAPHS)

bench-gpu: setup $(GRAPHS)
	$(GO) run ./examples/benchmarks -gpu -only qwen3 -bf16 -engines mlx,torch-eager,torch-compile $(GRAPHS)
	$(GO) run ./examples/benchmarks -gpu -only base -engines mlx,torch-eager,torch-compile $(GRAPHS)
	$(GO) run ./examples/benchmarks -gpu -only resnet -engines mlx,torch-eager,torch-compile $(GRAPHS)

# The graphs, where there are none: needs torch, transformers, torchvision, onnx and onnxscript.
$(GRAPHS):
	$(PYTHON) examples/benchmarks/python/export.py $(GRAPHS)

clean:
	rm -rf bin
