#!/bin/sh
# Regenerates this package from the .proto files of an onnx wheel. Needs Go and Python's pip.
#   ./generate.sh            from the pinned wheel
set -eu
cd "$(dirname "$0")"
onnx=1.23.2 protoc=1.85.1 gen=v1.36.12 vt=v0.6.0
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT

python3 -m venv "$tmp/v"
"$tmp/v/bin/pip" install -q "grpcio-tools==$protoc"
"$tmp/v/bin/pip" download -q --no-deps --only-binary :all: -d "$tmp" "onnx==$onnx"
GOBIN=$tmp go install "google.golang.org/protobuf/cmd/protoc-gen-go@$gen"
GOBIN=$tmp go install "github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto@$vt"

mkdir -p "$tmp/src/emily/onnx"
"$tmp/v/bin/python" -m zipfile -e "$tmp"/onnx-*.whl "$tmp/whl"
for f in onnx-ml onnx-data; do
	# The proto package is renamed: names are process-wide in Go's protobuf registry, and a
	# second ONNX library in an embedder's binary would panic at init. The wire is unchanged.
	{
		echo "// From the onnx $onnx wheel; changed: package and import renamed (see generate.sh)."
		sed -e 's/^package onnx;/package emily.onnx;/' \
			-e 's,^import "onnx/onnx-ml.proto",import "emily/onnx/onnx-ml.proto",' "$tmp/whl/onnx/$f.proto"
	} >"$f.proto"
	cp "$f.proto" "$tmp/src/emily/onnx/"
done

mod=github.com/emilyc/emily/frontends/onnx/pb
map="Memily/onnx/onnx-ml.proto=$mod,Memily/onnx/onnx-data.proto=$mod"
PATH=$tmp:$PATH "$tmp/v/bin/python" -m grpc_tools.protoc -I "$tmp/src" \
	--go_out="$tmp" --go_opt="$map,module=$mod" \
	--go-vtproto_out="$tmp" --go-vtproto_opt="$map,module=$mod,features=marshal+size+unmarshal_unsafe" \
	emily/onnx/onnx-ml.proto emily/onnx/onnx-data.proto
mv "$tmp"/*.pb.go .
gofmt -l .
