"""Judges exported models: judge.py EMILYC CASE... exports the model of each case folder, checks it with onnx.checker and full shape
inference, runs it in onnxruntime on the case's inputs, and compares with its recorded outputs, as the official runner does. What
onnxruntime makes of the model as it came is told beside that. With "-" for EMILYC the models are exported already, and their data are .npy
files, with which elements agree within 1e-4 of the largest. Needs numpy, onnx and onnxruntime.
"""
import collections
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

onnxruntime.set_default_logger_severity(4)


def load(path):
    if not path.exists():
        return np.load(path.with_suffix(".npy"))
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def compare(got, want, near=0):
    assert got.shape == want.shape and got.dtype == want.dtype, f"{got.dtype}{got.shape}, want {want.dtype}{want.shape}"
    if got.dtype.kind in "OSU":
        np.testing.assert_array_equal(got, want)
    else:
        half = got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=1e-2 if half else 1e-3, atol=1e-7 + near * np.abs(want).max(initial=0))


def run(model, case, near=0):
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    ports = list(session.get_inputs()) + list(session.get_outputs())
    if any(not p.type.startswith("tensor") for p in ports):
        raise NotImplementedError("inputs or outputs are no tensors")
    for data in sorted(case.glob("test_data_set_*")):
        inputs = {p.name: load(data / f"input_{i}.pb") for i, p in enumerate(session.get_inputs())}
        for i, got in enumerate(session.run(None, inputs)):
            compare(got, load(data / f"output_{i}.pb"), near)


def verdict(model, case, near=0):
    try:
        run(model, case, near)
        return "passes", ""
    except Exception as error:  # whatever onnxruntime raises
        return "fails", " ".join(str(error).split())[:300]


def check(model):
    try:
        onnx.checker.check_model(str(model), full_check=True)
    except Exception as error:
        return str(error)


def judge(emilyc, case, out):
    source = case / "model.onnx"
    if emilyc == "-":
        if invalid := check(source):
            return "not valid", invalid
        return verdict(source, case, near=1e-4)
    export = subprocess.run([emilyc, "compile", source, "--emit", "onnx", "-o", out], capture_output=True, text=True)
    if export.returncode:
        return "not exported", export.stderr.strip()
    if invalid := check(out):
        return "not valid", invalid
    after, why = verdict(out, case)
    before, _ = verdict(source, case)
    return f"{before} as it came, {after} exported", why


def main(emilyc, *cases):
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for case in map(pathlib.Path, cases):
            result, why = judge(emilyc, case, pathlib.Path(folder) / "model.onnx")
            counts[result] += 1
            if why and result != "fails as it came, fails exported":
                print(f"{case.name}: {result}: {why}")
    for result, n in sorted(counts.items()):
        print(n, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
