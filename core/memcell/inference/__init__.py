"""A trained network over recordings: whole, one step at a time, live, and as ONNX."""
