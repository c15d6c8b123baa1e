"""What excites the cells of a neighbourhood together, without any contact: the bath, waves, and released substances.

The drive is an influx s_i(t) of mean 0, in intensity per second. Its size is told as that of the activity
(activity.py), and its time constant is tau = `drive_s`:

    global      the same Ornstein-Uhlenbeck process g(t) in all cells
    plane       g(t - d_i / `wave_speed`): the process crosses the tissue; d_i is the way to cell i
    blobs       a Gaussian field, covariance exp(-d^2 / 2 l^2) exp(-lag / tau) with l = `drive_px`
    paracrine   bursts at random places and times, each with the concentration, s seconds later and at the distance r,

                    u / (s + u) exp(-r^2 / 4 D (s + u)) exp(-s / tau),      u = tau / 3,  2 D (tau + u) = l^2

                it diffuses (standard deviation l / 2 at first, and l after tau) and decays

With `drive_spread` each cell answers with a strength of its own, with mean 1.
"""

from __future__ import annotations

import numpy as np

from calcigraph.models.synthetic.activity import fluctuations, influx_deviation, lognormal
from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import DRIVE, stream
from calcigraph.store.types import FloatArray

FIELD_WAVES = 200
"""Random waves that add up to the blobs."""
LASTS = 6.0
"""Time constants after which a burst is over: 0.02 % of it is left."""
TIMES = 20
"""Points in a time constant at which bursts are computed; between them they are linear."""
BURST_AREA, BURST_TIME = 4.0, 2.0
"""On average there is one burst in this area, in l^2, and this time, in tau."""
MARGIN = 3.0
"""Bursts outside the tissue count, up to this distance in l."""


def common_drive(options: SyntheticOptions, x_px: FloatArray, y_px: FloatArray, grid: Grid) -> FloatArray | None:
    """The drive of all cells at all points, (n, points), linear between points; None without any.

    Parameters
    ----------
    options
        Its kind, size, time constant, reach and spread.
    x_px, y_px
        (n,), centroids of the cells.
    grid
        The points.

    Examples
    --------
    >>> options = SyntheticOptions(drive="global", frames=20)
    >>> drive = common_drive(options, np.array([0.0, 50.0]), np.zeros(2), Grid.of(options))
    >>> bool((drive[0] == drive[1]).all())
    True
    """
    if options.drive == "none":
        return None
    rng = stream(options, DRIVE)
    answer = lognormal(rng, options.drive_spread, len(x_px))
    if options.drive == "global":
        shape = np.broadcast_to(fluctuations(rng, (1, grid.points), options.drive_s, grid), (len(x_px), grid.points))
    elif options.drive == "plane":
        shape = _plane(options, rng, x_px, y_px, grid)
    elif options.drive == "blobs":
        shape = _blobs(options, rng, x_px, y_px, grid)
    else:
        shape = _paracrine(options, rng, x_px, y_px, grid)
    size = options.drive_size * influx_deviation(options.drive_s) * answer
    return np.asarray(size[:, None] * shape)


def _plane(
    options: SyntheticOptions, rng: np.random.Generator, x_px: FloatArray, y_px: FloatArray, grid: Grid
) -> FloatArray:
    """Variance 1, (n, points); delays are rounded to points."""
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x_px + np.sin(angle) * y_px
    delay = np.rint((along - along.min()) / options.wave_speed / grid.step).astype(np.int64)
    longest = int(delay.max())
    passing = fluctuations(rng, (1, grid.points + longest), options.drive_s, grid)[0]
    return np.asarray(passing[longest - delay[:, None] + np.arange(grid.points)])


def _blobs(
    options: SyntheticOptions, rng: np.random.Generator, x_px: FloatArray, y_px: FloatArray, grid: Grid
) -> FloatArray:
    """Variance 1, (n, points). A sum of waves takes any number of cells, which the covariance matrix would not."""
    x_wave, y_wave = rng.standard_normal((2, FIELD_WAVES)) / options.drive_px
    phase = np.outer(x_px, x_wave) + np.outer(y_px, y_wave)
    # Cosine and sine with processes of their own make the variance the same everywhere.
    waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1) / np.sqrt(FIELD_WAVES)
    return np.asarray(waves @ fluctuations(rng, (2 * FIELD_WAVES, grid.points), options.drive_s, grid))


def _paracrine(
    options: SyntheticOptions, rng: np.random.Generator, x_px: FloatArray, y_px: FloatArray, grid: Grid
) -> FloatArray:
    """Variance 1 on average, (n, points)."""
    tau, reach = options.drive_s, options.drive_px
    early, diffusion = tau / 3, 3 * reach**2 / (8 * tau)
    ends = np.array([[axis.min() - MARGIN * reach, axis.max() + MARGIN * reach] for axis in (x_px, y_px)])
    seconds = grid.step * (grid.points - 1) + LASTS * tau
    per_area_and_time = 1 / (BURST_AREA * reach**2 * BURST_TIME * tau)
    bursts = rng.poisson(per_area_and_time * float(np.prod(ends[:, 1] - ends[:, 0])) * seconds)
    place = rng.uniform(ends[:, 0], ends[:, 1], (bursts, 2))
    since = tau / TIMES
    slots = int(np.ceil(seconds / since))
    start = rng.integers(0, slots, bursts)
    after = since * np.arange(round(LASTS * TIMES))
    fades = early / (after + early) * np.exp(-after / tau)
    coarse = np.zeros((len(x_px), slots + len(after)))
    for (x, y), first in zip(place.tolist(), start.tolist(), strict=True):
        squared = (x_px - x) ** 2 + (y_px - y) ** 2
        coarse[:, first : first + len(after)] += fades * np.exp(-squared[:, None] / (4 * diffusion * (after + early)))
    # Campbell's theorem: mean and variance of many bursts are their number per area and time times the integrals of
    # one burst and of its square over area and time.
    mean = per_area_and_time * since * float((fades * 4 * np.pi * diffusion * (after + early)).sum())
    variance = per_area_and_time * since * float((fades**2 * 2 * np.pi * diffusion * (after + early)).sum())
    time = LASTS * tau + grid.step * np.arange(grid.points)
    at = since * np.arange(coarse.shape[1])
    return np.stack([np.interp(time, at, row) for row in (coarse - mean) / np.sqrt(variance)])
