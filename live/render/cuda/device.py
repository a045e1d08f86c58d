"""Where a renderer computes: a GPU, or the processor standing in for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from live.errors import LiveError, first_line
from live.render.kernels.host import load_host_kernels
from live.render.kernels.launch import DeviceArray, Kernels


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """A device with its kernels.

    Attributes:
        torch_device: where tensors live.
        dtype: of pictures and convolution weights.
        kernels: loaded for the device.
        name: for people.
    """

    torch_device: torch.device
    dtype: torch.dtype
    kernels: Kernels
    name: str

    @property
    def is_gpu(self) -> bool:
        """Whether work is asynchronous and graphs can be captured."""
        return self.torch_device.type == "cuda"

    def view(self, tensor: Tensor) -> DeviceArray:
        """The same memory as an array that kernels take: CuPy's through DLPack, or NumPy's."""
        if self.is_gpu:
            gpu: Any = self.kernels
            return gpu.view(tensor)
        return tensor.detach().numpy()


def open_device(name: str = "cuda", *, dtype: torch.dtype | None = None) -> ComputeDevice:
    """Open `cuda`, `cuda:1`, … or `cpu`.

    Args:
        name: torch's name of the device.
        dtype: of pictures and weights; default: float16 on a GPU, float32 on the processor.

    Raises:
        LiveError: there is no such GPU, CuPy is missing, or the kernels cannot be compiled.
    """
    device = torch.device(name)
    if device.type == "cpu":
        return ComputeDevice(
            device, dtype or torch.float32, load_host_kernels(), "processor (host build of the kernels)"
        )
    if not torch.cuda.is_available():
        raise LiveError(
            "No NVIDIA GPU can be used (torch finds none).", "Check `nvidia-smi` and that torch was built for CUDA."
        )
    index = device.index or 0
    if index >= torch.cuda.device_count():
        raise LiveError(f"There is no GPU number {index}.", f"torch finds {torch.cuda.device_count()}.")
    from live.render.kernels.gpu import GpuKernels

    torch.cuda.set_device(index)
    # Enrolment is float32 and happens once: cuDNN's default would round its inputs to ten bits.
    torch.backends.cudnn.allow_tf32 = False
    kernels = GpuKernels(index)
    return ComputeDevice(
        torch.device("cuda", index), dtype or torch.float16, kernels, torch.cuda.get_device_name(index)
    )


def cuda_obstacle() -> str | None:
    """Why the GPU backend cannot be used here, in one sentence with what to do; `None` if it can."""
    try:
        open_device("cuda")
    except LiveError as error:
        return str(error)
    except Exception as error:
        return f"The GPU cannot be used: {first_line(error)}."
    return None
