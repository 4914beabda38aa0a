#!/usr/bin/env bash
# ONNX Runtime: with dynamic quantisation the embedding of an image depends on the others of its batch.
#
# Versions: onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.2.
# Guess: `quantize_dynamic` quantises each row of the activations by its own range, as the scale is found
#   "on the fly" for what is being computed; a row of a batch gives the same with any other rows.
# Seen: there is one scale for the whole tensor (DynamicQuantizeLinear), so the row with the largest value
#   decides how coarse all others are. After two layers the cosine of a row to its vector in floats is 0.9999
#   alone and among rows like it, 0.9975 beside a row with values 10 times as large, and 0.88 beside one
#   with 100 times; the float model does not change by 1e-6. per_channel=True concerns the
#   weights and changes nothing.
# Matters: a service that gathers requests into batches gives other vectors for the same image from call to
#   call, and one odd image among them spoils those of other users.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.2
cd "$folder"
venv/bin/python - 2>/dev/null <<'PY'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

rng = np.random.default_rng(0)
weights = {f"w{i}": rng.standard_normal((64, 64)).astype(np.float32) / 8 for i in (0, 1)}
nodes = [
    helper.make_node("MatMul", ["x", "w0"], ["h"]),
    helper.make_node("Relu", ["h"], ["r"]),
    helper.make_node("MatMul", ["r", "w1"], ["y"]),
]
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in "xy"]
graph = helper.make_graph(
    nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(w, k) for k, w in weights.items()]
)
opset = [helper.make_opsetid("", 17)]
onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), "float.onnx")
runs = {"float": "float.onnx"}
for name, per_channel in (("tensor", False), ("channel", True)):
    runs[name] = f"{name}.onnx"
    quantize_dynamic("float.onnx", runs[name], per_channel=per_channel)
sessions = {name: onnxruntime.InferenceSession(path) for name, path in runs.items()}


def first(name, rows):
    vector = sessions[name].run(None, {"x": rows})[0][0]
    return vector / np.linalg.norm(vector)


rows = rng.standard_normal((8, 64)).astype(np.float32)
alone = first("float", rows[:1])
for name in sessions:
    cosines = {"alone": float(first(name, rows[:1]) @ alone)}
    for factor in (1, 10, 100):
        batch = rows.copy()
        batch[1] *= factor
        cosines[factor] = float(first(name, batch) @ alone)
    print(name, {key: round(value, 4) for key, value in cosines.items()})
    if name == "float":
        assert min(cosines.values()) > 1 - 1e-6
    else:
        assert cosines["alone"] > 0.999 and 0.99 < cosines[10] < 0.999 and cosines[100] < 0.95
PY
