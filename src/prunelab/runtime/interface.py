"""What goes into an ONNX model of prunelab's and what comes out."""

INPUT, OUTPUT = "images", "logits"
OPSET = 20
"""The version of ONNX's operators (ONNX 1.15, 2023), the first that has GELU."""
