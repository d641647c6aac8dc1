"""One engine with one model in a process of its own: the other side of worker.go.

usage: worker.py ENGINE ARCHITECTURE[:HEADS] MODEL.onnx FOLDER [--gpu] [--bf16] [--train LOSS --rate R]

FOLDER holds the inputs, NAME.npy. Each line of standard input is a number of runs; the answer is a line with their times in
seconds. Of "memory" it is the most bytes since it was last asked: of the process, and of MLX. A first line says what the engine
is. At the end of input the first output, of training the losses of the first steps, is written to FOLDER/ENGINE.npy.
"""

import argparse
import ctypes
import json
import os
import sys
import time

import numpy as np
from memory import Meter

FIRST_LOSSES = 5  # as train.go compares

# before MLX, as Emily loads it
if os.environ.get("EMILY_BLAS") and sys.argv[1].startswith("mlx"):
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
    p.add_argument("--train")
    p.add_argument("--rate", type=float)
    args = p.parse_args()
    engine = args.engine.replace("-", "_")
    module = __import__("training" if args.train else "twins" if engine == "mlx" else "peers")
    inputs, meter = load_inputs(args.folder), Meter()
    about, run = getattr(module, engine)(args, inputs)
    answer = lambda value: print(json.dumps(value), flush=True)
    answer(about)
    losses = []
    for line in sys.stdin:
        if line == "memory\n":
            answer(meter.peak())
            continue
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            out = run()
            times.append(time.perf_counter() - start)
            if args.train:
                losses.append(out)
        answer(times)
    result = losses[:FIRST_LOSSES] if args.train else run()
    np.save(os.path.join(args.folder, args.engine + ".npy"), np.asarray(result, dtype=np.float32))


main()
