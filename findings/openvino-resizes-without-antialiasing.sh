#!/usr/bin/env bash
# OpenVINO: the antialias attribute of ONNX's Resize is read and has no effect.
#
# Versions: openvino 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, pillow 13.0.0, numpy 2.4.2.
# Guess: a Resize of opset 18 with antialias=1, linear or cubic, shrinks a picture as ONNX Runtime and
#   Pillow do (the operator is specified after Pillow), or the model is rejected.
# Seen: the imported node has antialias = true, and its pixels are those of antialias=0: of stripes one pixel
#   wide, shrunk from 64 to 28 pixels, ONNX Runtime makes grey (as Pillow does), OpenVINO makes
#   patterns from black to white. Both in full float precision; nothing is raised or logged.
# Known: open since May 2026 as issue 35893, which has cubic.
# Matters: models with their preprocessing inside (resize, crop, normalise) embed other pictures in
#   OpenVINO than in ONNX Runtime, and than the index was made of.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 pillow==13.0.0 numpy==2.4.2
cd "$folder"
venv/bin/python - <<'PY'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

stripes = np.zeros((64, 64), np.float32)
stripes[:, ::2] = 255


def resize(mode, antialias):
    """The picture shrunk by ONNX Runtime and by OpenVINO."""
    node = helper.make_node(
        "Resize",
        ["x", "", "", "sizes"],
        ["y"],
        mode=mode,
        antialias=antialias,
        coordinate_transformation_mode="half_pixel",
        cubic_coeff_a=-0.5,
        exclude_outside=int(antialias or mode == "cubic"),
    )
    sizes = numpy_helper.from_array(np.array([1, 1, 28, 28], np.int64), "sizes")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size, size])
        for name, size in (("x", 64), ("y", 28))
    ]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [sizes])
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, "resize.onnx")
    picture = stripes[None, None]
    session = onnxruntime.InferenceSession("resize.onnx")
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model("resize.onnx", "CPU", precise)
    return session.run(None, {"x": picture})[0][0, 0], compiled(picture)[0][0, 0]


for mode, resample in (("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)):
    pillow = np.asarray(Image.fromarray(stripes).resize((28, 28), resample))
    right, wrong = resize(mode, 1)
    _, without = resize(mode, 0)
    print(f"{mode}: Pillow {pillow.std():.1f}, ONNX Runtime {right.std():.1f}, OpenVINO", end=" ")
    print(f"{wrong.std():.1f} (standard deviation; {stripes.std():.1f} before)")
    assert np.abs(right - pillow)[:, 2:-2].max() < 2
    assert np.array_equal(wrong, without) and wrong.std() > 3 * right.std()
PY
