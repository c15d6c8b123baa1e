"""How far a frame is displaced against the first, to a fraction of a pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIZE = 256
_CLEAR = 12.0
"""How far the correlation peak must stand above the rest, in standard deviations, to be believed."""


class ShiftGauge:
    """Phase correlation of frames with a reference, (Y, X), over its central part, binned 2 x 2 if it is large.

    Frames without structure in common with the reference (noise, or a field that changed beyond recognition) have no
    clear peak and count as not displaced.
    """

    def __init__(self, reference: NDArray[Any]) -> None:
        height, width = reference.shape
        self._bin = 2 if min(height, width) >= 2 * _SIZE else 1
        self._height, self._width = (min(size // self._bin, _SIZE) for size in (height, width))
        self._top = (height - self._height * self._bin) // 2
        self._left = (width - self._width * self._bin) // 2
        self._window = np.outer(np.hanning(self._height), np.hanning(self._width)).astype(np.float32)
        fy = np.fft.fftfreq(self._height)[:, None]
        fx = np.fft.rfftfreq(self._width)[None, :]
        square = fy**2 + fx**2
        # fine detail is noise, and what is coarser than a cell moves with its brightness
        self._band = (np.exp(-square / (2 * 0.12**2)) * (square > 0.02**2)).astype(np.float32)
        self._reference = np.conj(self._spectrum(reference))

    def displacement(self, frame: NDArray[Any]) -> float:
        """Length of the displacement against the reference in px; 0 where no common structure is found."""
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
        rows = slice(self._top, self._top + self._height * self._bin)
        columns = slice(self._left, self._left + self._width * self._bin)
        part = np.log1p(np.maximum(frame[rows, columns], 0), dtype=np.float32)
        if self._bin == 2:
            part = part.reshape(self._height, 2, self._width, 2).sum(axis=(1, 3))
        return np.asarray(np.fft.rfft2((part - part.mean()) * self._window))


def _vertex(line: NDArray[Any], peak: int) -> float:
    """Offset of the top of the parabola through the peak and its two neighbours (cyclic)."""
    before, top, after = (float(line[(peak + step) % len(line)]) for step in (-1, 0, 1))
    bend = before - 2 * top + after
    return 0.0 if bend == 0 else 0.5 * (before - after) / bend


def _centred(value: float, size: int) -> float:
    return value - size if value > size / 2 else value
