"""Random streams of a synthetic culture: each part has its own, so that its options change no other part.

camera.py has streams 2 to 5.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.synthetic.options import SyntheticOptions

TISSUE, BIOLOGY, PLANTING, WAVES, MASKS = 0, 1, 6, 7, 8
ACTIVITY, DRIVE, CONDUCTANCE, COUPLING, BEFORE, BRIGHTNESS, LAMP = 9, 10, 11, 12, 13, 14, 15
MEDIUM, HEIGHTS = 16, 17


def stream(options: SyntheticOptions, number: int) -> np.random.Generator:
    """A random generator that the culture's seed and the number of the stream decide."""
    return np.random.default_rng([options.seed, number])
