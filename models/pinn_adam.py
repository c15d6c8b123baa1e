"""Adam (Kingma and Ba, 2015) for a few tensors, each with its own step size.

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2,   x -= step (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)

torch.optim has the same, but its first use imports a compiler for 4 seconds, as long as a small culture trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

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
