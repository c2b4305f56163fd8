"""What runs a network: ONNX Runtime in float32 and int8, torch.compile; which instructions the processor has."""
