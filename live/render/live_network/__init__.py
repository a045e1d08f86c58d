"""LivePIRenderer: the real-time member of the family.

Torch definition (training, CUDA), ONNX export, and CPU runtimes in OpenVINO and ONNX Runtime behind one `Renderer`.
Only `layers`, `base`, `detail`, `model`, `weights` and `onnx_export` need torch.
"""
