"""What a microscope makes of a synthetic culture: its static look, drift, bleaching, noise and hot pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.transients import LEVEL, slow_noise
from calcigraph.store.types import FloatArray, LabelImage

if TYPE_CHECKING:
    from calcigraph.models.synthetic.culture import SyntheticCulture

Frame = NDArray[np.uint16]

FRAMES_AHEAD = 4


def movie_frames(culture: SyntheticCulture) -> Iterator[Frame]:
    """The movie, frame by frame, (Y, X) uint16: brightness x exp(intensity), drift, shot and read noise, hot pixels."""
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
    """What all frames share; frame(t) depends on t and the seed only."""

    def __init__(self, culture: SyntheticCulture) -> None:
        options = culture.options
        self.options = options
        self.look = (options.brightness * still_image(culture)).astype(np.float32)
        self.labels = culture.labels
        self.hot = _hot_pixels(options, self.look.shape)
        self.shifts = _drift(options)
        light = np.linspace(1, 1 - options.bleaching, options.frames)
        self.factor = np.zeros((int(culture.labels.max()) + 1, options.frames), dtype=np.float32)
        self.factor[culture.cells] = light * np.exp(culture.intensity - LEVEL)

    def frame(self, frame: int) -> Frame:
        import cv2

        photons = self.look * self.factor[:, frame][self.labels]
        move = np.array([[1, 0, self.shifts[0, frame]], [0, 1, self.shifts[1, frame]]], dtype=np.float32)
        counts = np.asarray(cv2.warpAffine(photons, move, photons.shape[::-1], borderMode=cv2.BORDER_REPLICATE))
        counts += np.float32(self.options.background)
        noise = np.random.default_rng([self.options.seed, 2, frame]).standard_normal(counts.shape, dtype=np.float32)
        noise *= np.sqrt(counts + np.float32(self.options.read_noise**2))
        counts += noise
        counts += self.hot
        return np.clip(np.rint(counts, out=counts), 0, 65535, out=counts).astype(np.uint16)


def still_image(culture: SyntheticCulture) -> FloatArray:
    """The tissue's static brightness, (Y, X), about 0 to 1."""
    from calcigraph.models.synthetic.tissue import render

    look = render(culture.labels, np.random.default_rng([culture.options.seed, 3]), culture.options.style)
    log_look = np.log(look.astype(np.float64))
    tau = cell_brightness(culture.labels, log_look)
    mean = tau[culture.cells].mean()
    return np.asarray(np.exp(log_look - (1 - culture.options.contrast) * (tau - mean)[culture.labels]))


def cell_brightness(labels: LabelImage, log_look: FloatArray) -> FloatArray:
    """tau by label: each cell's mean over the pixels whose 3 x 3 neighbourhood lies in it, ingest's default inset."""
    inside = np.ones(labels.shape, dtype=np.bool_)
    padded = np.pad(labels, 1, mode="edge")
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            inside &= labels == padded[dy : dy + labels.shape[0], dx : dx + labels.shape[1]]
    size = int(labels.max()) + 1
    total = np.bincount(labels[inside], log_look[inside], size)
    return np.asarray(total / np.maximum(np.bincount(labels[inside], minlength=size), 1))


def _hot_pixels(options: SyntheticOptions, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng([options.seed, 4])
    hot = np.zeros(shape, dtype=np.float32)
    count = round(options.hot_pixels * hot.size)
    hot.ravel()[rng.choice(hot.size, count, replace=False)] = rng.uniform(5000, 40000, count)
    return hot


def _drift(options: SyntheticOptions) -> FloatArray:
    """(2, T), px in x and y: a slow path from 0 that comes as far as drift_px."""
    rng = np.random.default_rng([options.seed, 5])
    path = slow_noise(rng, (2, options.frames), max(2.0, options.frames / 8))
    path -= path[:, :1]
    reach = float(np.hypot(*path).max())
    return path * (options.drift_px / reach if reach > 0 else 0.0)
