"""Options of a synthetic culture, with their limits: biology, indicator, optics, and mistakes in the masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.models.laws import WEIGHTS
from calcigraph.option import Declared, Option, check_limits, declared

SPIKE_SHAPES = ("square", "decay", "extrusion", "gaussian")
ACTIVITIES = ("none", "fluctuation", "white", "oscillation")
"""What a cell does all the time, beside its spikes; activity.py has the formulas."""
DRIVES = ("none", "global", "plane", "blobs", "paracrine")
"""What excites neighbours together without any coupling; drive.py has the formulas."""
STYLES = ("membrane-bright", "membrane-dark", "cytoplasm-bright")
"""What distinguishes cells: bright outlines, dark outlines, or mostly brightness and thickness."""
BIOLOGY, MEDIUM = "Biology", "Waves over contacts"
INDICATOR, OPTICS, MASKS = "Indicator", "Optics", "Mistakes in the masks"


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
    """With weights whose mean is 1 over the contacts between inner cells of the whole tissue (`contact_weights`)."""
    k_spread: Annotated[
        float,
        Option(
            "Standard deviation of the cells' log k; their mean k is k.", BIOLOGY, low=0, high=3, command_line=False
        ),
    ] = 0.0
    weights: Annotated[str, Option("How strongly contacts couple.", BIOLOGY, choices=WEIGHTS, command_line=False)] = (
        "distance*border"
    )
    """The true law; a fit may assume another."""
    conductance_spread: Annotated[
        float,
        Option("Standard deviation of the contacts' log conductance.", BIOLOGY, low=0, high=3, command_line=False),
    ] = 0.0
    """Each contact has a factor of its own on its weight. The weights keep their mean."""
    leak: Annotated[float, Option("Leak (pumps) of every cell, 1/s.", BIOLOGY, low=0, high=10)] = 0.0
    """Calcium returns to its usual level at this rate, in border cells too."""
    field: Annotated[
        float | None,
        Option(
            "Share of the culture's width that the movie shows; without it border cells are driven.", low=0.05, high=1
        ),
    ] = None
    """With it all cells of the culture obey the model, and the picture's border cells feel the cells outside it too.
    `cells` and `size_px` are those of the whole culture: 227 cells, 742 px and a field of 0.69 show 512 px, with about
    108 cells' worth of tissue. Without it border cells follow slow processes of their own and feel no other cell."""
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
    activity: Annotated[
        str,
        Option("What cells do all the time: none, fluctuation, white or oscillation.", BIOLOGY, choices=ACTIVITIES),
    ] = "none"
    """Independent from cell to cell, on top of the spikes."""
    activity_size: Annotated[float, Option("How strong the activity is, log intensity.", BIOLOGY, low=0, high=10)] = (
        0.08
    )
    """The standard deviation that it gives to a cell without coupling whose leak is 0.01/s."""
    activity_s: Annotated[
        float, Option("Time constant of a fluctuation, s.", BIOLOGY, flag="--activity-time", low=0.01, high=1e5)
    ] = 60.0
    activity_spread: Annotated[
        float,
        Option("Standard deviation of the cells' log activity.", BIOLOGY, low=0, high=3, command_line=False),
    ] = 0.0
    period_low_s: Annotated[
        float, Option("Shortest period of an oscillation, s.", BIOLOGY, low=0.01, high=1e6, command_line=False)
    ] = 120.0
    period_high_s: Annotated[
        float, Option("Longest period of an oscillation, s.", BIOLOGY, low=0.01, high=1e6, command_line=False)
    ] = 300.0
    drive: Annotated[
        str,
        Option(
            "What drives neighbours together: none, global, plane, blobs or paracrine.",
            BIOLOGY,
            choices=DRIVES,
            command_line=False,
        ),
    ] = "none"
    """Contacts play no part in it."""
    drive_size: Annotated[
        float, Option("How strong the drive is, as activity_size.", BIOLOGY, low=0, high=10, command_line=False)
    ] = 0.05
    drive_s: Annotated[
        float, Option("Time constant of the drive, s.", BIOLOGY, low=0.01, high=1e5, command_line=False)
    ] = 100.0
    drive_px: Annotated[
        float, Option("Reach of blobs and paracrine waves, px.", BIOLOGY, low=1, high=1e6, command_line=False)
    ] = 100.0
    drive_spread: Annotated[
        float,
        Option("Standard deviation of the cells' log response to it.", BIOLOGY, low=0, high=3, command_line=False),
    ] = 0.0
    waves: Annotated[int, Option("Waves that excite every cell in passing.", BIOLOGY, low=0, high=1000)] = 0
    """A wave sets off a spike in every cell that its front passes. Contacts play no part in it."""
    wave_speed: Annotated[float, Option("Speed of the waves, px/s.", BIOLOGY, low=0.001, high=1e6)] = 10.0
    """That of a plane drive too."""
    contact_waves: Annotated[
        int, Option("Waves from one cell, passed on over contacts by the cells that fire.", MEDIUM, low=0, high=10_000)
    ] = 0
    """excitable.py says how they spread. Coupling plays no part in it, but what cells fire is passed on by it."""
    wave_collisions: Annotated[
        int, Option("Pairs of such waves that start far apart and meet.", MEDIUM, low=0, high=10_000)
    ] = 0
    """They run through the whole culture."""
    flashes: Annotated[
        int, Option("Times at which most cells fire at once, in no order.", MEDIUM, low=0, high=10_000)
    ] = 0
    contact_wave_speed: Annotated[float, Option("Speed of these waves, px/s.", MEDIUM, low=0.001, high=1e6)] = 2.0
    """Along contacts."""
    contact_wave_reach_px: Annotated[
        float,
        Option("How far from its first cell a wave runs, px.", MEDIUM, flag="--contact-wave-reach", low=1, high=1e9),
    ] = 250.0
    wave_failure: Annotated[
        float, Option("Share of the cells that do not fire in a wave.", MEDIUM, low=0, high=0.95)
    ] = 0.05
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
    modulation: Annotated[
        float,
        Option(
            "Above 0: cells share calcium itself, not its logarithm.", INDICATOR, low=0, high=1e3, command_line=False
        ),
    ] = 0.0
    """Calcium is then 1 + modulation x (y - the lowest y), with y the course that obeys the model."""
    hill_kd: Annotated[
        float,
        Option("Calcium that half saturates the indicator; 0: never.", INDICATOR, low=0, high=1e6, command_line=False),
    ] = 0.0
    """In units of calcium at rest."""
    hill_n: Annotated[float, Option("Its Hill coefficient.", INDICATOR, low=0.1, high=10, command_line=False)] = 1.0
    indicator_s: Annotated[
        float, Option("Time constant of the indicator, s.", INDICATOR, low=0, high=1e5, command_line=False)
    ] = 0.0
    """Brightness follows calcium with this delay; 0 for none."""
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
    flicker: Annotated[
        float, Option("Standard deviation of the lamp's log light.", OPTICS, low=0, high=1, command_line=False)
    ] = 0.0
    """One factor for all cells of a frame, independent from frame to frame."""
    brightness_drift: Annotated[
        float,
        Option("Standard deviation of each cell's slow log brightness.", OPTICS, low=0, high=3, command_line=False),
    ] = 0.0
    """A smooth course over about half the recording, independent from cell to cell: dye, thickness, focus."""
    crosstalk: Annotated[
        float, Option("Share of a cell's light that is its neighbours'.", OPTICS, low=0, high=1, command_line=False)
    ] = 0.0
    glow: Annotated[
        float,
        Option("Share of a cell's light that is the mean of all cells.", OPTICS, low=0, high=1, command_line=False),
    ] = 0.0
    blur_px: Annotated[
        float, Option("Standard deviation of the blur of the light, px.", OPTICS, low=0, high=100, command_line=False)
    ] = 0.0
    """Of a movie: light of each cell falls on the pixels of its neighbours, the more the nearer they are."""
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
        if self.period_low_s > self.period_high_s:
            raise InputError(
                f"period_low_s is {self.period_low_s:g} and above period_high_s, {self.period_high_s:g}; exchange them"
            )

    @property
    def spoils_masks(self) -> bool:
        """Whether a user's masks differ from the true labels."""
        return bool(self.mask_erosion or self.mask_shift or self.mask_merges or self.missing)


def _outside(each: Declared, value: Any) -> InputError:
    return InputError(f"{each.name} is {value}; a simulation takes {each.option.low:g} to {each.option.high:g}")
