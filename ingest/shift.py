"""How far a frame is displaced against the first, to a fraction of a pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = 256
"""Bins along each side of the part that is compared, at most."""
_COARSE = 2
"""The first comparison's bins are so many times wider. Most frames need no second one, which halves the cost."""
_SUSPECT = 0.4
"""px that the first comparison must read for a second one: it reads a displacement of 1.2 px as 0.5 px or more."""
_CLEAR = 12.0
"""How far the correlation peak must stand above 0, in standard deviations of the surface, to be believed."""
_LOW_CUT = 0.02
"""Frequencies up to this are left out; in cycles per px, in large frames per 2 px."""
_HIGH_CUT = 0.12
"""Standard deviation of the Gaussian low-pass filter, in the same unit."""


class ShiftGauge:
    """How far frames are displaced against a reference, by phase correlation of the central part.

    Every frame is compared in coarse bins; one that seems displaced is compared in fine bins too. A frame without
    structure in common with the reference (noise, or a field that changed beyond recognition) has no clear correlation
    peak and counts as not displaced.

    Parameters
    ----------
    reference
        (Y, X), any numbers from 0 up.

    Examples
    --------
    >>> frame = cv2.GaussianBlur(np.random.default_rng(0).random((128, 128), np.float32), (0, 0), 3)
    >>> round(ShiftGauge(frame).displacement(np.roll(frame, 4, axis=1)))
    4
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        size = min(reference.shape)
        # Large frames are compared in bins of 2 x 2 px, at a quarter of the cost.
        fine = 2 if size >= 2 * _SIZE else 1
        self._fine = _Correlation(reference, fine, fine)
        self._coarse = _Correlation(reference, fine * _COARSE, fine) if size >= _SIZE else None

    def displacement(self, frame: NDArray[Any]) -> float:
        """Length of the frame's displacement against the reference, px; 0 where no common structure is found."""
        if self._coarse is not None:
            first = self._coarse.displacement(frame)
            if first < _SUSPECT:
                return first
        return self._fine.displacement(frame)


class _Correlation:
    """Comparison of the central _SIZE x `unit` px in bins of `bin_px`; frequencies are in cycles per `unit` px."""

    def __init__(self, reference: NDArray[Any], bin_px: int, unit: int) -> None:
        self._bin = bin_px
        self._height, self._width = (min(size, _SIZE * unit) // bin_px for size in reference.shape)
        # The central part, whole bins along each axis.
        lengths = (self._height * bin_px, self._width * bin_px)
        starts = [(size - length) // 2 for size, length in zip(reference.shape, lengths, strict=True)]
        self._part = tuple(slice(start, start + length) for start, length in zip(starts, lengths, strict=True))
        self._window = np.outer(np.hanning(self._height), np.hanning(self._width)).astype(np.float32)
        fy = np.fft.fftfreq(self._height)[:, None] * unit / bin_px
        fx = np.fft.rfftfreq(self._width)[None, :] * unit / bin_px
        square = fy**2 + fx**2
        # Fine detail is noise. What is coarser than a cell follows the cells' brightness, not their place.
        low_pass, high_pass = np.exp(-square / (2 * _HIGH_CUT**2)), square > _LOW_CUT**2
        self._band = (low_pass * high_pass).astype(np.float32)
        self._reference = np.conj(self._spectrum(reference))

    def displacement(self, frame: NDArray[Any]) -> float:
        """In px; 0 where there is no clear peak."""
        cross = self._spectrum(frame) * self._reference
        # Only the phase is kept: a displacement turns it, and a change of brightness does not.
        cross *= self._band / np.maximum(np.abs(cross), np.finfo(np.float32).tiny)
        # The correlation for each displacement; beyond half the size they count from the other end.
        surface = np.fft.irfft2(cross, (self._height, self._width))
        y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
        deviation = float(surface.std())
        if deviation == 0 or surface[y, x] < _CLEAR * deviation:
            return 0.0
        dy = _centred(int(y) + _vertex(surface[:, x], int(y)), self._height)
        dx = _centred(int(x) + _vertex(surface[y, :], int(x)), self._width)
        return self._bin * float(np.hypot(dy, dx))

    def _spectrum(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Spectrum of the logarithm of the part, tapered to 0 at its edges, which do not continue one another."""
        part: NDArray[Any] = frame[self._part]
        if self._bin > 1:
            part = cv2.resize(part, (self._width, self._height), interpolation=cv2.INTER_AREA)
        # The logarithm keeps a few bright cells from deciding alone.
        part = np.log1p(np.maximum(part, 0), dtype=np.float32)
        return np.asarray(np.fft.rfft2((part - part.mean()) * self._window))


def _vertex(line: NDArray[Any], peak: int) -> float:
    """Offset, in bins, of the top of the parabola through the peak and its two neighbours (cyclic)."""
    before, top, after = (float(line[(peak + step) % len(line)]) for step in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend == 0 else 0.5 * (before - after) / bend


def _centred(value: float, size: int) -> float:
    """A cyclic offset from 0 to `size` as one from -size / 2 to size / 2."""
    return value - size if value > size / 2 else value
