"""CUDA kernels of the renderer: source files, their loaders for GPU and processor, wrappers and references.

`launch.py` says what a loaded set of kernels can do; `gpu.py` loads them through CuPy, `host.py` compiles the same
source for the processor (tests, and machines without a GPU), `source.py` finds and joins the files. One wrapper module
per kernel family (`sampling.py`, `warping.py`, `output.py`, …) checks shapes and launches; `reference.py` is what they
must compute, in plain NumPy.
"""
