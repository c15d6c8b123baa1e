"""What a PINN gives back, and the blocks into which a large culture is cut."""

from __future__ import annotations

from dataclasses import dataclass

from calcigraph.models.estimate import Estimate
from calcigraph.store.types import FloatArray, IntArray


@dataclass(frozen=True)
class PinnHistory:
    """What happened while the network trained: H recorded epochs, E networks of the ensemble."""

    epoch: IntArray
    """(H,), from 0. The steps that train only k and the feeds count as epochs too."""
    data_loss: FloatArray
    """(H,), eq. 22, mean over the ensemble, in units of the noise's variance (preset paper: intensity squared)."""
    physics_loss: FloatArray
    """(H,), eq. 21, mean over the ensemble, without unit (preset paper: intensity squared per second squared)."""
    k: FloatArray
    """(E, H), 1/s, the median over cells where each has its own."""
    feed: FloatArray
    """(H,), median over cells of the first network, intensity per second."""


@dataclass(frozen=True)
class PinnFit:
    """What a PINN finds of p inner cells over T frames. NaN where the data do not determine a value."""

    k: Estimate[FloatArray]
    """(p,), 1/s; the same for all cells in cases shared and per-cell. NaN for a cell without contacts."""
    feed: Estimate[FloatArray]
    """(p,), intensity per second."""
    k_cell: Estimate[FloatArray]
    """(p,), 1/s, each cell's own k whatever the case. Preset paper knows it in case cell only, and has NaN else."""
    traces: FloatArray
    """(p, T), the first network's u at the frames, in the unit of the traces."""
    history: tuple[PinnHistory, ...]
    """One per block."""
    converged: bool
    """Whether k had settled when the training ended, in every block."""
    advice: tuple[str, ...]
    """What the user should know of this fit."""


@dataclass(frozen=True)
class PinnBlock:
    """Inner cells and frames on which one network is trained. Their neighbours outside follow the data."""

    cells: IntArray
    """(b,), positions among the p inner cells, ascending."""
    first: int
    """The block's first frame."""
    last: int
    """The frame after the block's last one."""
