"""What a synthetic culture is made of: biology, optics, and the mistakes in its masks, with their limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from calcigraph.errors import InputError

SPIKE_SHAPES = ("square", "decay", "extrusion", "gaussian")
_LIMITS = {
    "cells": (4, 1_000_000),
    "frames": (2, 1_000_000),
    "size_px": (32, 16384),
    "frame_interval_s": (0.01, 1e5),
    "k": (0, 10),
    "spikes": (0, 1000),
    "spike_height": (0, 10),
    "spike_s": (0.01, 1e5),
    "spike_decay_s": (0.01, 1e5),
    "waves": (0, 1000),
    "wave_speed": (0.001, 1e6),
    "feed_mean": (-1, 1),
    "feed_spread": (0, 1),
    "uncoupled": (0, 1_000_000),
    "uncoupled_factor": (0, 100),
    "abnormal_feeds": (0, 1_000_000),
    "abnormal_feed_size": (0, 1e5),
    "trace_noise": (0, 10),
    "seed": (0, 2**63),
    "brightness": (1, 20000),
    "read_noise": (0, 1000),
    "hot_pixels": (0, 0.05),
    "drift_px": (0, 10),
    "bleaching": (0, 0.95),
    "background": (0, 20000),
    "contrast": (0, 1),
    "mask_erosion": (0, 100),
    "mask_shift": (0, 100),
    "mask_merges": (0, 1_000_000),
    "missing": (0, 0.9),
}


@dataclass(frozen=True)
class SyntheticOptions:
    """A culture of the paper's size by default. Raises InputError when made from values that make no sense."""

    cells: int = 108
    frames: int = 361
    size_px: int = 512
    frame_interval_s: float = 10.0
    k: float = 0.01
    """1/s, between weights divided by their mean over all contacts."""
    spikes: int = 3
    """Per cell and recording, each a source that brings `spike_height` in all."""
    spike_height: float = 0.15
    """Mean log intensity; each spike has 0.6 to 1.4 times that."""
    spike_shape: str = "square"
    """How the source runs: one of SPIKE_SHAPES, drawn in models/transients.py."""
    spike_s: float = 30.0
    """Width of a spike in seconds, whatever the frame interval: 3 frames of 10 s."""
    spike_decay_s: float = 80.0
    """Time constant of what follows the spike in the shapes `decay` and `extrusion`."""
    waves: int = 0
    """Waves that cross the culture and set off a spike in every cell their front passes, which no contact explains."""
    wave_speed: float = 10.0
    """Pixels per second."""
    feed_mean: float = 2e-5
    """Log intensity per second."""
    feed_spread: float = 2e-5
    uncoupled: int = 0
    """Inner cells whose own k is `uncoupled_factor` times k; their neighbours still see them."""
    uncoupled_factor: float = 0.0
    abnormal_feeds: int = 0
    """Other inner cells, whose feed lies `abnormal_feed_size` spreads above or, every second one, below the mean."""
    abnormal_feed_size: float = 10.0
    trace_noise: float = 0.002
    """Standard deviation added to the traces (not to the movie, which has noise of its own)."""
    seed: int = 0
    brightness: float = 1500.0
    """Photons in the brightest parts of the tissue at a cell's usual intensity."""
    read_noise: float = 3.0
    hot_pixels: float = 5e-4
    """Share of pixels that are stuck high."""
    drift_px: float = 0.3
    """How far the tissue wanders from its place; the masks are those of the first frame."""
    bleaching: float = 0.0
    """Share of the light lost at the last frame."""
    background: float = 0.0
    """Counts added to every pixel; above 0 the logarithm of a movie is no longer affine in the traces."""
    style: str = "cytoplasm-bright"
    """How the tissue looks: one of models/tissue.py's STYLES."""
    contrast: float = 0.05
    """Share kept of the cells' static differences in brightness. They enter a movie's effective feeds: from about 0.2
    the paper's lower feed bound holds the coupling down with it."""
    mask_erosion: int = 0
    """Pixels by which the masks are too small all round; they are never too small at the image edge."""
    mask_shift: float = 0.0
    """Pixels by which all masks lie off, in a random direction."""
    mask_merges: int = 0
    """Pairs of cells in contact that share one mask by mistake."""
    missing: float = 0.0
    """Share of the cells that have no mask."""

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not (isfinite(value) and low <= value <= high):
                raise InputError(f"{name} is {value}; a simulation takes {low:g} to {high:g}")
        from calcigraph.models.synthetic.tissue import STYLES

        if self.style not in STYLES:
            raise InputError(f"unknown tissue style {self.style!r}; there are {', '.join(STYLES)}")
        if self.spike_shape not in SPIKE_SHAPES:
            raise InputError(f"unknown spike_shape {self.spike_shape!r}; there are {', '.join(SPIKE_SHAPES)}")

    @property
    def spoils_masks(self) -> bool:
        """Whether a user's masks differ from the true labels."""
        return bool(self.mask_erosion or self.mask_shift or self.mask_merges or self.missing)
