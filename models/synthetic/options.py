"""Options of a synthetic culture, with their limits: biology, optics, and mistakes in the masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.option import Declared, Option, check_limits, declared

SPIKE_SHAPES = ("square", "decay", "extrusion", "gaussian")
STYLES = ("membrane-bright", "membrane-dark", "cytoplasm-bright")
"""What distinguishes cells: bright outlines, dark outlines, or mostly brightness and thickness."""
BIOLOGY, OPTICS, MASKS = "Biology", "Optics", "Mistakes in the masks"


@dataclass(frozen=True)
class SyntheticOptions:
    """A culture of the paper's size by default. Raises InputError when made from values that make no sense.

    Examples
    --------
    >>> SyntheticOptions(k=0.02, spikes=0).k
    0.02
    >>> SyntheticOptions(bleaching=2.0)
    Traceback (most recent call last):
    ...
    calcigraph.errors.InputError: bleaching is 2.0; a simulation takes 0 to 0.95
    """

    cells: Annotated[int, Option("Cells in the culture.", low=4, high=1_000_000)] = 108
    frames: Annotated[int, Option("Frames.", low=2, high=1_000_000)] = 361
    size_px: Annotated[int, Option("Width and height, px.", flag="--size", low=32, high=16384)] = 512
    frame_interval_s: Annotated[float, Option("Seconds a frame.", flag="--frame-interval", low=0.01, high=1e5)] = 10.0
    k: Annotated[float, Option("Coupling, 1/s.", BIOLOGY, low=0, high=10)] = 0.01
    """With contact weights that are divided by their mean over all contacts."""
    spikes: Annotated[int, Option("Calcium spikes a cell.", BIOLOGY, low=0, high=1000)] = 3
    """Each brings `spike_height` in all, on average."""
    spike_height: Annotated[
        float, Option("Mean height of a spike, log intensity.", BIOLOGY, low=0, high=10, command_line=False)
    ] = 0.15
    """Each spike has 0.6 to 1.4 times that."""
    spike_shape: Annotated[
        str, Option("How calcium enters: square, decay, extrusion or gaussian.", BIOLOGY, choices=SPIKE_SHAPES)
    ] = "square"
    """transients.py draws them."""
    spike_s: Annotated[float, Option("Width of a spike, s.", BIOLOGY, flag="--spike-duration", low=0.01, high=1e5)] = (
        30.0
    )
    """In seconds, so that it does not depend on the frame interval; by default 3 frames of 10 s."""
    spike_decay_s: Annotated[
        float,
        Option(
            "Time constant of what follows a decay or extrusion spike, s.",
            BIOLOGY,
            flag="--spike-decay",
            low=0.01,
            high=1e5,
        ),
    ] = 80.0
    waves: Annotated[int, Option("Waves that excite every cell in passing.", BIOLOGY, low=0, high=1000)] = 0
    """A wave sets off a spike in every cell that its front passes. Contacts play no part in it."""
    wave_speed: Annotated[float, Option("Speed of the waves, px/s.", BIOLOGY, low=0.001, high=1e6)] = 10.0
    feed_mean: Annotated[
        float, Option("Mean feed, log intensity per second.", BIOLOGY, low=-1, high=1, command_line=False)
    ] = 2e-5
    feed_spread: Annotated[
        float, Option("Standard deviation of the feeds.", BIOLOGY, low=0, high=1, command_line=False)
    ] = 2e-5
    uncoupled: Annotated[int, Option("Inner cells with a coupling of their own.", BIOLOGY, low=0, high=1_000_000)] = 0
    """Their k is `uncoupled_factor` times `k`. Their neighbours are coupled to them as to any cell."""
    uncoupled_factor: Annotated[float, Option("Their share of k.", BIOLOGY, low=0, high=100)] = 0.0
    abnormal_feeds: Annotated[
        int,
        Option(
            "Other inner cells with an abnormal feed, by turns too high and too low.", BIOLOGY, low=0, high=1_000_000
        ),
    ] = 0
    abnormal_feed_size: Annotated[
        float, Option("How far off, in deviations of the feeds.", BIOLOGY, low=0, high=1e5)
    ] = 10.0
    trace_noise: Annotated[
        float, Option("Standard deviation of the traces' noise.", OPTICS, low=0, high=10, command_line=False)
    ] = 0.002
    """Added to the traces, not to the movie, which has noise of its own."""
    seed: Annotated[int, Option("Seed of all that is random.", low=0, high=2**63)] = 0
    brightness: Annotated[float, Option("Photons in bright tissue: fewer are noisier.", OPTICS, low=1, high=20000)] = (
        1500.0
    )
    """In the brightest parts, at a cell's usual intensity."""
    read_noise: Annotated[float, Option("Camera noise, counts.", OPTICS, low=0, high=1000, command_line=False)] = 3.0
    hot_pixels: Annotated[
        float, Option("Share of pixels that are stuck high.", OPTICS, low=0, high=0.05, command_line=False)
    ] = 5e-4
    drift_px: Annotated[float, Option("Drift over the whole movie, px.", OPTICS, flag="--drift", low=0, high=10)] = 0.3
    """The largest distance of the tissue from its place in the first frame, which the masks show."""
    bleaching: Annotated[float, Option("Share of the light lost over the whole movie.", OPTICS, low=0, high=0.95)] = 0.0
    background: Annotated[
        float, Option("Counts added to every pixel.", OPTICS, low=0, high=20000, command_line=False)
    ] = 0.0
    """Above 0 the logarithm of a movie is no longer affine in the traces."""
    style: Annotated[str, Option("How the tissue looks.", OPTICS, choices=STYLES, command_line=False)] = (
        "cytoplasm-bright"
    )
    contrast: Annotated[
        float,
        Option("Share kept of the cells' static differences in brightness.", OPTICS, low=0, high=1, command_line=False),
    ] = 0.05
    """They enter a movie's effective feeds. From about 0.2 on, the paper's lower feed bound makes k too small."""
    mask_erosion: Annotated[
        int,
        Option(
            "Pixels that masks are too small all round; ingest closes such gaps.",
            MASKS,
            low=0,
            high=100,
        ),
    ] = 0
    """At the image edge masks are never too small."""
    mask_shift: Annotated[float, Option("Pixels that all masks lie off.", MASKS, low=0, high=100)] = 0.0
    """In a random direction."""
    mask_merges: Annotated[int, Option("Pairs of cells that share one mask.", MASKS, low=0, high=1_000_000)] = 0
    """Cells in contact."""
    missing: Annotated[float, Option("Share of the cells without a mask.", MASKS, low=0, high=0.9)] = 0.0

    def __post_init__(self) -> None:
        check_limits(self, _outside)
        for each in declared(type(self)):
            value, known = getattr(self, each.name), each.option.choices
            if known and value not in known:
                name = "tissue style" if each.name == "style" else each.name
                raise InputError(f"unknown {name} {value!r}; there are {', '.join(known)}")

    @property
    def spoils_masks(self) -> bool:
        """Whether a user's masks differ from the true labels."""
        return bool(self.mask_erosion or self.mask_shift or self.mask_merges or self.missing)


def _outside(each: Declared, value: Any) -> InputError:
    return InputError(f"{each.name} is {value}; a simulation takes {each.option.low:g} to {each.option.high:g}")
