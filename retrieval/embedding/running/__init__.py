"""A loaded model: on torch, ONNX Runtime or OpenVINO, with sentence-transformers around it where it needs that."""
