"""Runs judge.py MODEL.onnx in onnxruntime: inputs come as JSON {name: {dtype, shape, data}} from stdin, and the first output goes to stdout as {shape, data}.
Needs numpy and onnxruntime."""
import json
import sys

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
inputs = {name: np.array(v["data"], v["dtype"]).reshape(v["shape"]) for name, v in json.load(sys.stdin).items()}
output = session.run(None, inputs)[0]
json.dump({"shape": output.shape, "data": output.reshape(-1).tolist()}, sys.stdout)
