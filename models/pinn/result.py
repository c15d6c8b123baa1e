"""What a PINN gives back."""

from __future__ import annotations

from dataclasses import dataclass

from calcigraph.models.estimate import Estimate
from calcigraph.store.types import FloatArray, IntArray


@dataclass(frozen=True)
class PinnHistory:
    """What happened while the network trained: H recorded epochs, E networks of the ensemble."""

    epoch: IntArray
    """(H,), from 0; the steps of k and feed before the network itself trains count as epochs."""
    data_loss: FloatArray
    """(H,), mean over the ensemble, in units of the noise's variance (preset paper: of the intensity squared)."""
    physics_loss: FloatArray
    """(H,)"""
    k: FloatArray
    """(E, H), 1/s, the median over cells where each has its own."""
    feed: FloatArray
    """(H,), median over cells of the first network, intensity per second."""


@dataclass(frozen=True)
class PinnFit:
    """What a PINN finds of p inner cells: values, 95 % intervals, traces and history. NaN where nothing tells."""

    k: Estimate[FloatArray]
    """(p,), 1/s; the same for all cells in cases shared and per-cell. NaN for a cell without contacts."""
    feed: Estimate[FloatArray]
    """(p,), intensity per second."""
    k_cell: Estimate[FloatArray]
    """(p,), 1/s, what each cell says alone once the network is trained; NaN for preset paper but in case cell."""
    traces: FloatArray
    """(p, T), the first network's u at the frames."""
    history: tuple[PinnHistory, ...]
    """One per block."""
    converged: bool
    advice: tuple[str, ...]


@dataclass(frozen=True)
class PinnBlock:
    """Inner cells and frames that one network is trained on; their neighbours outside follow the data."""

    cells: IntArray
    """(b,), positions among the p inner cells, ascending."""
    first: int
    last: int
    """Frames first..last - 1."""
