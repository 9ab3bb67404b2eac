"""A trained network as a file that other programs run: ONNX.

`step` is one step of the whole network as a function of tensors alone; `onnx_scan` turns it into a graph
that loops over time; `onnx_check` holds that graph against torch; `facts` is what stands in the file
beside the weights; `run` does all of it for a run folder. Only `run` is imported by the command line.
"""
