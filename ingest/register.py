"""Where the tissue lies in every frame, by OpenCV's enhanced correlation, and the frames moved back to it.

Frames are compared with a running reference: the mean of the last frames, each moved back already. So it is sharp and
has little noise, and follows a culture whose look changes slowly. The reference begins as the first frame, whose place
all others are moved to. What is compared is the logarithm of the light without hot pixels, without what is finer than
a few pixels and without what is coarser than a cell: cells that light up, uneven lamps and bleaching do not move it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcigraph.ingest.movie import Movie, camera_values
from calcigraph.store.types import FloatArray, Progress

Image = NDArray[np.float32]
MEMORY = 40
"""Frames that the running reference is the mean of."""
FINE_PX, COARSE_PX = 1.0, 12.0
"""Standard deviations of the two Gaussian filters between which structure is compared."""
LARGE = 700
"""Frames of more px along their shorter side are compared in bins of 2 x 2 px: a quarter of the time."""
STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
"""When the search for one frame's place ends."""
DOUBTFUL = 0.8
"""A correlation below this share of the usual one asks for a second search, from a place found without the last one."""
LOST = 0.1
"""Correlation below which a frame has nothing in common with the reference."""
STILL_PX = 0.5
"""px; frames moved by more count as moved."""


@dataclass(frozen=True)
class Moves:
    """Where the tissue lies in every frame against the first."""

    x_px: FloatArray
    """(T,), to the right, of the picture's centre."""
    y_px: FloatArray
    """(T,), downwards."""
    degrees: FloatArray
    """(T,), clockwise as the picture is seen; 0 where only shifts were asked for."""
    lost: int
    """Frames with nothing in common with the others, which were moved as the frame before."""

    @property
    def reach_px(self) -> float:
        """The largest shift."""
        return float(np.hypot(self.x_px, self.y_px).max())

    def back(self, frame: NDArray[Any], index: int) -> NDArray[Any]:
        """The frame, (Y, X), moved to where the first one is.

        Pixels are interpolated linearly, so that no value is new. Where the picture has moved in from outside the
        field, the pixels at the edge are repeated.
        """
        if self.x_px[index] == self.y_px[index] == self.degrees[index] == 0:
            return frame
        matrix = _matrix(self.x_px[index], self.y_px[index], self.degrees[index], frame.shape)
        return np.asarray(
            cv2.warpAffine(
                frame,
                matrix,
                frame.shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        if not self.lost:
            return ()
        return (
            f"registration: {self.lost} of {len(self.x_px)} frames show nothing in common with the others; they are "
            "moved as the frame before: look at them, and leave them out with --frames if they are spoilt",
        )

    @property
    def facts(self) -> dict[str, Any]:
        """`Culture.registration`."""
        turned = {"degrees": _rounded(self.degrees)} if self.degrees.any() else {}
        moved = int((np.hypot(self.x_px, self.y_px) > STILL_PX).sum())
        return {
            "x_px": _rounded(self.x_px),
            "y_px": _rounded(self.y_px),
            **turned,
            "largest_px": round(self.reach_px, 3),
            "moved": moved,
            "lost": self.lost,
        }


def _rounded(values: FloatArray) -> list[float]:
    return [round(float(value), 4) for value in values]


def find_moves(movie: Movie, how: str, progress: Progress) -> Moves:
    """Compare every frame with the running reference; one frame is in memory at a time.

    Parameters
    ----------
    movie
        Open.
    how
        "shift", or "rigid" for shifts and rotations.
    progress
        Called with the stage "register".
    """
    frames = movie.info.shape[0]
    places = _Places(how)
    for index in range(frames):
        places.add(camera_values(movie.frame(index), movie, index))
        progress("register", index + 1, frames)
    return places.moves()


@dataclass
class _Places:
    """The search, frame after frame."""

    how: str
    reference: Image | None = None
    warp: Image = field(default_factory=lambda: np.eye(2, 3, dtype=np.float32))
    """Takes a place in the reference to its place in the frame, in bins."""
    usual: float = 0.0
    """The usual correlation with the reference."""
    seen: int = 0
    lost: int = 0
    found: list[tuple[float, float, float]] = field(default_factory=list)
    bin_px: int = 1

    def add(self, frame: NDArray[Any]) -> None:
        if self.reference is None:
            self.bin_px = 2 if min(frame.shape) > LARGE else 1
            self.reference, self.seen = self._structure(frame), 1
            self.found.append((0.0, 0.0, 0.0))
            return
        image = self._structure(frame)
        warp, agreement = self._best(image)
        if agreement < max(LOST, 0.3 * self.usual):
            self.lost += 1
        else:
            self.warp = warp
            self._learn(image, agreement)
        self.found.append(self._place(image.shape))

    def moves(self) -> Moves:
        x, y, degrees = np.array(self.found, np.float64).T
        return Moves(x_px=x, y_px=y, degrees=degrees, lost=self.lost)

    def _structure(self, frame: NDArray[Any]) -> Image:
        """What is compared of a frame."""
        calm = np.asarray(cv2.medianBlur(frame, 3), np.float32)  # hot pixels belong to the camera and do not move
        if self.bin_px > 1:
            size = (frame.shape[1] // self.bin_px, frame.shape[0] // self.bin_px)
            calm = np.asarray(cv2.resize(calm, size, interpolation=cv2.INTER_AREA))
        logs = np.log1p(np.maximum(calm, 0), dtype=np.float32)
        fine = cv2.GaussianBlur(logs, (0, 0), FINE_PX)
        return np.asarray(fine - cv2.GaussianBlur(logs, (0, 0), COARSE_PX / self.bin_px), np.float32)

    def _best(self, image: Image) -> tuple[Image, float]:
        """The place from that of the frame before; for a jump, from one found by phase correlation."""
        warp, agreement = self._search(image, self.warp)
        if agreement < DOUBTFUL * self.usual or self.seen == 1:
            assert self.reference is not None
            window = cv2.createHanningWindow(image.shape[::-1], cv2.CV_32F)
            (x, y), _ = cv2.phaseCorrelate(self.reference, image, window)
            other = self._search(image, np.array([[1, 0, x], [0, 1, y]], np.float32))
            if other[1] > agreement:
                return other
        return warp, agreement

    def _search(self, image: Image, start: Image) -> tuple[Image, float]:
        motion = cv2.MOTION_EUCLIDEAN if self.how == "rigid" else cv2.MOTION_TRANSLATION
        assert self.reference is not None
        try:
            agreement, warp = cv2.findTransformECC(self.reference, image, start.copy(), motion, STEPS, None, 1)
        except cv2.error:  # nothing in common
            return start, -1.0
        fits = np.isfinite(warp).all() and math.isfinite(agreement)
        return (np.asarray(warp, np.float32), float(agreement)) if fits else (start, -1.0)

    def _learn(self, image: Image, agreement: float) -> None:
        """Take the frame, moved back, into the reference."""
        assert self.reference is not None
        self.usual += (agreement - self.usual) / min(self.seen, MEMORY)
        self.seen += 1
        share = 1 / min(self.seen, MEMORY)
        here = cv2.warpAffine(
            image,
            self.warp,
            image.shape[::-1],
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        self.reference = np.asarray((1 - share) * self.reference + share * here, np.float32)

    def _place(self, shape: Sequence[int]) -> tuple[float, float, float]:
        """The shift of the centre, px, and the rotation, degrees."""
        turn, shift = self.warp[:, :2].astype(np.float64), self.warp[:, 2].astype(np.float64)
        centre = (np.array([shape[1], shape[0]]) - 1) / 2
        x, y = (turn @ centre + shift - centre) * self.bin_px
        return float(x), float(y), math.degrees(math.atan2(turn[1, 0], turn[0, 0]))


def _matrix(x: float, y: float, degrees: float, shape: Sequence[int]) -> FloatArray:
    """The warp of a place: a rotation about the centre, then the shift."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = (np.array([shape[1], shape[0]]) - 1) / 2
    return np.column_stack([turn, centre - turn @ centre + np.array([x, y])])
