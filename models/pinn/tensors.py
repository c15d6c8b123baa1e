"""What the PINN needs of torch: whether it is there, threads, device, conversion from and to NumPy, and Adam.

torch is an optional extra. It is imported inside the functions, so that this module can be imported without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from calcigraph.errors import FitError, MissingExtraError
from calcigraph.store.types import FloatArray

Tensor = Any
"""A torch.Tensor. The type checker may run without torch, so it cannot be named."""

EPSILON = 1e-8
"""Adam's guard against a division by 0, as in its paper."""

_INSTALL = "pip install 'calcigraph[pinn]'"


def require_torch() -> None:
    """Raise MissingExtraError, with the command that installs torch, where torch cannot be imported."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"the model pinn needs torch ({error}): {_INSTALL}") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread, and restore its number of threads at the end.

    Blocks of cells are trained side by side. torch's idle threads would keep the cores busy that other blocks need.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str | None) -> str:
    """The device to train on: "cpu" or "cuda".

    Parameters
    ----------
    name
        "cpu", "cuda", or "auto" (the same as None): the GPU if there is one.

    Raises
    ------
    FitError
        "cuda" was asked for and torch finds no GPU.
    """
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise FitError("device cuda was asked for, and torch finds no GPU here; use device auto or cpu")
    return "cuda" if available and name != "cpu" else "cpu"


def to_array(values: Tensor) -> FloatArray:
    """A tensor's values as a float64 array, without its gradient."""
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)


def to_tensor(values: FloatArray, device: Any) -> Tensor:
    """A float32 copy of an array on a device. Single precision is enough for a network."""
    import torch

    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)


@dataclass
class Adam:
    """Adam (Kingma and Ba, 2015, algorithm 1) for a few tensors, each with its own step size.

        m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   x -= step (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)

    with g the gradient, m and v its running mean and mean square, and t the number of steps so far. torch.optim has
    the same algorithm, but its first use imports a compiler for 4 seconds, as long as a small culture trains.

    Parameters
    ----------
    tensors
        What is trained: leaves that require gradients. They are changed in place.
    betas
        b1 and b2.
    """

    tensors: Sequence[Tensor]
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        import torch

        self._steps = 0
        self._moments = [(torch.zeros_like(one), torch.zeros_like(one)) for one in self.tensors]

    def step(self, loss: Tensor, sizes: Sequence[float]) -> None:
        """Take one step down the gradient of a scalar loss; `sizes` has one step size for each tensor."""
        import torch

        self._steps += 1
        first, second = self.betas
        # m and v start at 0. Dividing by 1 - beta^t removes what this takes from them in the first steps.
        unbias_mean = 1 - first**self._steps
        unbias_root = sqrt(1 - second**self._steps)
        gradients = torch.autograd.grad(loss, list(self.tensors))
        with torch.no_grad():
            for one, (mean, square), gradient, size in zip(self.tensors, self._moments, gradients, sizes, strict=True):
                mean.mul_(first).add_(gradient, alpha=1 - first)
                square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
                scale = (square.sqrt() / unbias_root).add_(EPSILON)
                one.addcdiv_(mean, scale, value=-size / unbias_mean)
