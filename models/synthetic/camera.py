"""What a microscope makes of a synthetic culture: its still look, drift, bleaching, noise and hot pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcigraph.models.synthetic.optics import lamp
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import LEVEL, slow_noise
from calcigraph.store.types import FloatArray, LabelImage

if TYPE_CHECKING:
    from calcigraph.models.synthetic.culture import SyntheticCulture

Frame = NDArray[np.uint16]

FRAMES_AHEAD = 4
"""Frames that are drawn before they are asked for."""
LARGEST_COUNT = 65535
"""Of a uint16 camera."""
HOT_COUNTS = (5000, 40000)
"""Counts that a hot pixel has in every frame, between these."""
NOISE_STREAM, LOOK_STREAM, HOT_STREAM, DRIFT_STREAM = 2, 3, 4, 5
"""Random streams; streams.py has the others."""


def movie_frames(culture: SyntheticCulture) -> Iterator[Frame]:
    """The movie of a culture, frame by frame.

    A pixel of cell i has brightness x look x light x exp(y_i - 0.5) photons, with the still look of the tissue, and the
    light falling by bleaching and flickering. The light may be blurred, and the image drifts; background, shot noise,
    read noise and hot pixels are added.

    Parameters
    ----------
    culture
        As `make_culture` gives it; its options hold the optics.

    Returns
    -------
    iterator
        T frames, (Y, X) uint16. The same culture always gives the same frames.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> frames = movie_frames(make_culture(SyntheticOptions(cells=16, frames=2, size_px=128)))
    >>> [(frame.shape, frame.dtype.name) for frame in frames]
    [((128, 128), 'uint16'), ((128, 128), 'uint16')]
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    draw = _Camera(culture)
    with ThreadPoolExecutor(2) as pool:  # OpenCV and the random generator release the GIL
        ahead: deque[Future[Frame]] = deque()
        for frame in range(culture.options.frames):
            ahead.append(pool.submit(draw.frame, frame))
            if len(ahead) > FRAMES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


class _Camera:
    """What all frames share. A frame depends on its number and the seed only, so frames can be drawn in any order."""

    def __init__(self, culture: SyntheticCulture) -> None:
        options = culture.options
        self.options = options
        self.look = (options.brightness * still_image(culture)).astype(np.float32)
        self.labels = culture.labels
        self.hot = _hot_pixels(options, self.look.shape)
        self.shifts = _drift(options)
        # Brightness over time, one row per label, so that labels are the index.
        self.factor = np.zeros((int(culture.labels.max()) + 1, options.frames), dtype=np.float32)
        self.factor[culture.cells] = lamp(options) * np.exp(culture.intensity - LEVEL)

    def frame(self, frame: int) -> Frame:
        """Frame number `frame`, (Y, X)."""
        import cv2

        photons = self.look * self.factor[:, frame][self.labels]
        if self.options.blur_px > 0:
            photons = cv2.GaussianBlur(photons, (0, 0), self.options.blur_px, borderType=cv2.BORDER_REPLICATE)
        shift_x, shift_y = self.shifts[:, frame]
        move = np.array([[1, 0, shift_x], [0, 1, shift_y]], dtype=np.float32)
        counts = np.asarray(cv2.warpAffine(photons, move, photons.shape[::-1], borderMode=cv2.BORDER_REPLICATE))
        counts += np.float32(self.options.background)
        # Shot noise has the variance of the counts. Drawn as normal noise, it goes into one draw with the read noise.
        rng = np.random.default_rng([self.options.seed, NOISE_STREAM, frame])
        noise = rng.standard_normal(counts.shape, dtype=np.float32)
        noise *= np.sqrt(counts + np.float32(self.options.read_noise**2))
        counts += noise
        # Hot pixels belong to the camera: they do not drift, and come after the noise.
        counts += self.hot
        return np.clip(np.rint(counts, out=counts), 0, LARGEST_COUNT, out=counts).astype(np.uint16)


def still_image(culture: SyntheticCulture) -> FloatArray:
    """The static brightness of a culture's tissue, (Y, X), about 0 to 1.

    Cells differ in brightness by the share `contrast` of what `render` draws.
    """
    from calcigraph.models.synthetic.tissue import render

    options = culture.options
    look = render(culture.labels, np.random.default_rng([options.seed, LOOK_STREAM]), options.style)
    # Only the cells' means are drawn together; nuclei, outlines and texture keep their contrast.
    log_look = np.log(look.astype(np.float64))
    tau = cell_brightness(culture.labels, log_look)
    mean = tau[culture.cells].mean()
    return np.asarray(np.exp(log_look - (1 - options.contrast) * (tau - mean)[culture.labels]))


def cell_brightness(labels: LabelImage, log_look: FloatArray) -> FloatArray:
    """tau, the mean of a log image (Y, X) over each cell, (largest label + 1,), with labels as the index.

    Pixels count whose 3 x 3 neighbourhood lies in the cell (ingest's default inset). A label without any has 0.
    """
    # The image edge is repeated outwards, so that a pixel on it is not outside its cell.
    inside = np.ones(labels.shape, dtype=np.bool_)
    padded = np.pad(labels, 1, mode="edge")
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            inside &= labels == padded[dy : dy + labels.shape[0], dx : dx + labels.shape[1]]
    size = int(labels.max()) + 1
    total = np.bincount(labels[inside], log_look[inside], size)
    return np.asarray(total / np.maximum(np.bincount(labels[inside], minlength=size), 1))


def _hot_pixels(options: SyntheticOptions, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Counts that are added in every frame, (Y, X): 0 but in the hot pixels."""
    rng = np.random.default_rng([options.seed, HOT_STREAM])
    hot = np.zeros(shape, dtype=np.float32)
    count = round(options.hot_pixels * hot.size)
    hot.ravel()[rng.choice(hot.size, count, replace=False)] = rng.uniform(*HOT_COUNTS, count)
    return hot


def _drift(options: SyntheticOptions) -> FloatArray:
    """The shift of every frame, (2, T), in px along x and y: a slow path from 0 that reaches as far as `drift_px`."""
    rng = np.random.default_rng([options.seed, DRIFT_STREAM])
    path = slow_noise(rng, (2, options.frames), max(2.0, options.frames / 8))
    # The first frame is where the labels are.
    path -= path[:, :1]
    reach = float(np.hypot(*path).max())
    return path * (options.drift_px / reach if reach > 0 else 0.0)
