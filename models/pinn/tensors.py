"""Adam (Kingma and Ba, 2015) for a few tensors, each with its own step size.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   x -= step (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)

torch.optim has the same, but its first use imports a compiler for 4 seconds, as long as a small culture trains.
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

EPSILON = 1e-8


@dataclass
class Adam:
    """Steps of `tensors` (leaves that require gradients); `betas` are b1 and b2."""

    tensors: Sequence[Any]
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        import torch

        self._steps = 0
        self._moments = [(torch.zeros_like(one), torch.zeros_like(one)) for one in self.tensors]

    def step(self, loss: Any, sizes: Sequence[float]) -> None:
        """One step down the gradient of a scalar loss; `sizes` has one step size for each tensor."""
        import torch

        self._steps += 1
        first, second = self.betas
        unbias = sqrt(1 - second**self._steps)
        gradients = torch.autograd.grad(loss, list(self.tensors))
        with torch.no_grad():
            for one, (mean, square), gradient, size in zip(self.tensors, self._moments, gradients, sizes, strict=True):
                mean.mul_(first).add_(gradient, alpha=1 - first)
                square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
                scale = (square.sqrt() / unbias).add_(EPSILON)
                one.addcdiv_(mean, scale, value=-size / (1 - first**self._steps))


_INSTALL = "pip install 'calcigraph[pinn]'"


def require_torch() -> None:
    """Raise MissingExtraError where torch cannot be imported."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"the model pinn needs torch ({error}): {_INSTALL}") from error


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread a block: blocks run side by side, and torch's threads spin where others want the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str | None) -> str:
    """cpu or cuda. Raises FitError where a GPU is asked for and there is none."""
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise FitError("device cuda was asked for, and torch finds no GPU here; use device auto or cpu")
    return "cuda" if available and name != "cpu" else "cpu"


def to_array(values: Any) -> FloatArray:
    return np.asarray(values.detach().cpu().numpy(), dtype=np.float64)


def to_tensor(values: FloatArray, device: Any) -> Any:
    import torch

    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32, device=device)
