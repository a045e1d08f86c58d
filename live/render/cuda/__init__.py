"""The GPU backend: fp16 networks in torch, CuPy kernels on the same stream, CUDA graphs, batches of many sessions.

`device.py` opens a device; `operations.py` joins torch tensors and kernels; `fused_pirenderer.py` and `fused_live.py`
are the two networks on top of both; `engine.py` runs either in graphs per batch size; `batcher.py` shares one engine
between sessions. All of it also runs on the processor, slowly, through the host build of the kernels: that is how it is
tested where there is no GPU.
"""
