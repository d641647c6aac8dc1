"""Writes forms.tar.gz beside this folder: the shapes in which composites are found in models.

A case is named SOURCE/FORM. Sources are PyTorch's two exporters (torchscript, dynamo), the function bodies of ONNX's operators, written
out (function), onnxruntime's optimiser as it runs (onnxruntime), and its offline one for transformers (transformers, transformers16).
Needs torch, onnx, onnxscript and onnxruntime."""

import gzip
import io
import os
import tarfile
import warnings

import functions
import modules
import optimised

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
files = {}


def stripped(model):
    """Without what exporters tell of themselves, which is most of a small file."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    model.graph.doc_string = model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for v in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del v.metadata_props[:]
    return model


def add(name, model):
    files[f"{name}/model.onnx"] = stripped(model).SerializeToString()


def write(path):
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as z, tarfile.open(fileobj=z, mode="w") as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            tar.addfile(info, io.BytesIO(files[name]))


for made in (functions.made(), modules.made(), optimised.made()):
    for name, model in made:
        add(name, model)
write(os.path.join(HERE, "..", "forms.tar.gz"))
print(len(files), "forms")
