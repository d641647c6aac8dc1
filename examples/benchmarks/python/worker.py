"""One engine with one model in a process of its own: the other side of worker.go.

usage: worker.py ENGINE ARCHITECTURE[:HEADS] MODEL.onnx FOLDER [--gpu] [--bf16]

FOLDER holds the inputs, NAME.npy. Each line of standard input is a number of runs; the answer is a line with their times in
seconds. A first line says what the engine is. At the end of input the first output is written to FOLDER/ENGINE.npy.
"""

import argparse
import ctypes
import json
import os
import sys
import time

import numpy as np

if os.environ.get("EMILY_BLAS"):  # before MLX, as Emily loads it
    ctypes.CDLL(os.environ["EMILY_BLAS"], ctypes.RTLD_GLOBAL)


def load_inputs(folder):
    names = open(os.path.join(folder, "inputs.json"))
    return {name: np.load(os.path.join(folder, file)) for name, file in json.load(names).items()}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("engine")
    p.add_argument("architecture")
    p.add_argument("model")
    p.add_argument("folder")
    p.add_argument("--gpu", action="store_true")
    p.add_argument("--bf16", action="store_true")
    args = p.parse_args()
    engine = args.engine.replace("-", "_")
    module = "twins" if engine == "mlx" else "peers"
    about, run = getattr(__import__(module), engine)(args, load_inputs(args.folder))
    answer = lambda value: print(json.dumps(value), flush=True)
    answer(about)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            out = run()
            times.append(time.perf_counter() - start)
        answer(times)
    np.save(os.path.join(args.folder, args.engine + ".npy"), np.asarray(run(), dtype=np.float32))


main()
