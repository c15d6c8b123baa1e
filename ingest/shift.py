"""How far a frame is displaced against the first, to a fraction of a pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = 256
_COARSE = 2
"""The first look at a frame bins so many times more: half the cost, since most frames need no second one."""
_SUSPECT = 0.4
"""px that the first look must read for a second one: it reads a displacement of 1.2 px as 0.5 px or more."""
_CLEAR = 12.0
"""How far the correlation peak must stand above the rest, in standard deviations, to be believed."""


class ShiftGauge:
    """Phase correlation of frames with a reference, (Y, X), over its central part, binned if it is large.

    Every frame gets a coarse look, those that seem displaced a fine one. Frames without structure in common with the
    reference (noise, or a field that changed beyond recognition) have no clear peak and count as not displaced.
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        size = min(reference.shape)
        fine = 2 if size >= 2 * _SIZE else 1
        self._fine = _Correlation(reference, fine, fine)
        self._coarse = _Correlation(reference, fine * _COARSE, fine) if size >= _SIZE else None

    def displacement(self, frame: NDArray[Any]) -> float:
        """Length of the displacement against the reference in px; 0 where no common structure is found."""
        if self._coarse is not None:
            first = self._coarse.displacement(frame)
            if first < _SUSPECT:
                return first
        return self._fine.displacement(frame)


class _Correlation:
    """One look: the central _SIZE x `unit` px, in bins of `bin_px`; the band of frequencies is that of `unit` px."""

    def __init__(self, reference: NDArray[Any], bin_px: int, unit: int) -> None:
        self._bin = bin_px
        self._height, self._width = (min(size, _SIZE * unit) // bin_px for size in reference.shape)
        self._part = tuple(
            slice((size - count * bin_px) // 2, (size - count * bin_px) // 2 + count * bin_px)
            for size, count in zip(reference.shape, (self._height, self._width), strict=True)
        )
        self._window = np.outer(np.hanning(self._height), np.hanning(self._width)).astype(np.float32)
        fy = np.fft.fftfreq(self._height)[:, None] * unit / bin_px
        fx = np.fft.rfftfreq(self._width)[None, :] * unit / bin_px
        square = fy**2 + fx**2
        # fine detail is noise, and what is coarser than a cell moves with its brightness
        self._band = (np.exp(-square / (2 * 0.12**2)) * (square > 0.02**2)).astype(np.float32)
        self._reference = np.conj(self._spectrum(reference))

    def displacement(self, frame: NDArray[Any]) -> float:
        cross = self._spectrum(frame) * self._reference
        cross *= self._band / np.maximum(np.abs(cross), np.finfo(np.float32).tiny)
        surface = np.fft.irfft2(cross, (self._height, self._width))
        y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
        spread = float(surface.std())
        if spread == 0 or surface[y, x] < _CLEAR * spread:
            return 0.0
        dy = _centred(int(y) + _vertex(surface[:, x], int(y)), self._height)
        dx = _centred(int(x) + _vertex(surface[y, :], int(x)), self._width)
        return self._bin * float(np.hypot(dy, dx))

    def _spectrum(self, frame: NDArray[Any]) -> NDArray[Any]:
        part: NDArray[Any] = frame[self._part]
        if self._bin > 1:
            part = cv2.resize(part, (self._width, self._height), interpolation=cv2.INTER_AREA)
        part = np.log1p(np.maximum(part, 0), dtype=np.float32)
        return np.asarray(np.fft.rfft2((part - part.mean()) * self._window))


def _vertex(line: NDArray[Any], peak: int) -> float:
    """Offset of the top of the parabola through the peak and its two neighbours (cyclic)."""
    before, top, after = (float(line[(peak + step) % len(line)]) for step in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend == 0 else 0.5 * (before - after) / bend


def _centred(value: float, size: int) -> float:
    return value - size if value > size / 2 else value
