"""ONNX Runtime as the runtime of a model: exported once, run without torch."""
