"""What decides an ingest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from calcigraph.errors import InputError
from calcigraph.ingest.background_given import BackgroundChoice, background_choice
from calcigraph.ingest.table_columns import parse_columns
from calcigraph.option import Declared, Option, check_limits

CELLPOSE_GAP = 6
"""px; Cellpose leaves gaps between cells that touch."""
DETREND = ("none", "global")
REGISTER = ("none", "shift", "rigid")
SEGMENT_ON = ("auto", "mean", "max")
"""Pictures to segment, besides a frame."""
NOTHING_TO_TRUST = "--trust-interval goes with --frame-interval: give the interval that is to be trusted"

Experiment = Annotated[str | None, Option("Experiment the culture belongs to.")]
Condition = Annotated[str | None, Option("Condition, such as control or 12.5 uM CBX.")]
MaskShare = Annotated[
    float | None,
    Option("Leave out pixels that weigh less than this share of a cell's heaviest.", low=0, high=1, stands_for=0.2),
]
AllRegions = Annotated[bool, Option("Take the regions too that suite2p, CaImAn or NWB do not call cells.")]


@dataclass(frozen=True)
class IngestOptions:
    """What the user may choose for the ingest of a movie.

    Raises InputError if a value is out of range.

    Examples
    --------
    >>> IngestOptions().usual_gap, IngestOptions(masks="labels.tif").usual_gap
    (6, 0)
    """

    experiment: Experiment = None
    condition: Condition = None
    frame_interval_s: Annotated[
        float | None, Option("Seconds a frame; default: from the file.", flag="--frame-interval", unit="s")
    ] = None
    pixel_size_um: Annotated[
        float | None, Option("Micrometres a pixel; default: from the file.", flag="--pixel-size", unit="um")
    ] = None
    channel: Annotated[
        str | int | None, Option("Channel of the calcium signal, in a file with several: number from 0, or name.")
    ] = None
    segment_channel: Annotated[
        str | int | None, Option("Channel to find the cells in, such as a membrane marker: number from 0, or name.")
    ] = None
    scene: Annotated[
        str | int | None, Option("Scene, position or image of a file with several: number from 0, or name.")
    ] = None
    z: Annotated[
        str | int | None, Option("z-plane of a file with several: number from 0, or max (brightest of all).")
    ] = None
    axes: Annotated[
        str | None, Option("What the axes of a TIFF are, where it does not say: T, C, Z, Y, X, as in TCYX.")
    ] = None
    masks: Annotated[
        str | None,
        Option("Label TIFF or PNG, _seg.npy, ROI zip, or results of suite2p, CaImAn or NWB, instead of Cellpose."),
    ] = None
    mask_share: MaskShare = None
    all_regions: AllRegions = False
    cellpose_model: Annotated[str | None, Option("Cellpose model name or path; default: the shipped one.")] = None
    segment_on: Annotated[str | int, Option("Image to segment: auto, mean, max or a frame number.")] = "auto"
    """Of the denoised, normalised frames, or those of `segment_channel`; frames count from 0. `ingest/pictures.py` has
    the automatic choice."""
    min_area: Annotated[int, Option("Smallest cell, px.", unit="px", low=1)] = 500
    min_border: Annotated[int, Option("Shortest shared border of a contact, px.", unit="px", low=1)] = 5
    max_gap: Annotated[
        int | None, Option("Widest gap between touching cells, px; default: from the gaps found.", unit="px", low=0)
    ] = None
    keep_masks: Annotated[
        bool, Option("Take --masks as they are: no strays removed, no holes filled, no background left out.")
    ] = False
    trace_inset: Annotated[
        int, Option("Leave out pixels this close to another cell or background.", unit="px", low=0)
    ] = 1
    frames: Annotated[str | None, Option("Take these frames only, both included, from 0.", metavar="FIRST:LAST")] = None
    drop_repeats: Annotated[bool, Option("Leave out frames that are copies of the one before; time is kept.")] = False
    trust_interval: Annotated[
        bool, Option("Take --frame-interval against what the file says, and frames as evenly spaced.")
    ] = False
    scale: Annotated[float, Option("Multiply every pixel, so that log(x + 1) is a logarithm: 65535 for 0 to 1.")] = 1.0
    register: Annotated[
        str, Option("none, shift, or rigid (shift and turn): move every frame to where the first is.", choices=REGISTER)
    ] = "none"
    """Before the median filter; see `ingest/register.py`."""
    crosstalk: Annotated[bool, Option("Take traces from pixels that are free of the neighbours' light.")] = False
    background: Annotated[
        str | float | None,
        Option(
            "Take off light that is no cell's: auto or a percentile such as 5% of pixels without cells, counts, or a "
            "mask file of such pixels.",
            metavar="auto|P%|COUNTS|FILE",
        ),
    ] = None
    detrend: Annotated[
        str, Option("none, or global: take flicker and steady fall of the lamp out of the traces.", choices=DETREND)
    ] = "none"

    def __post_init__(self) -> None:
        _check_positive("--frame-interval", self.frame_interval_s, "s")
        _check_positive("--pixel-size", self.pixel_size_um, "um")
        check_limits(self, _outside)
        _check_positive("--scale", self.scale, "counts a unit")
        if self.trust_interval and self.frame_interval_s is None:
            raise InputError(NOTHING_TO_TRUST)
        if self.detrend not in DETREND:
            raise InputError(f"--detrend {self.detrend}: expected {' or '.join(DETREND)}")
        if self.register not in REGISTER:
            raise InputError(f"--register {self.register}: expected one of {', '.join(REGISTER)}")
        if self.masks is not None and self.cellpose_model is not None:
            raise InputError("--masks and --cellpose-model exclude each other: give one of them")
        for flag, given in (("--mask-share", self.mask_share is not None), ("--all-regions", self.all_regions)):
            if given and self.masks is None:
                raise InputError(f"{flag} goes with --masks: give the file that the masks are in")
        if self.keep_masks and self.masks is None:
            raise InputError("--keep-masks goes with --masks: give the masks that are to be kept as they are")
        if self.masks is not None and self.segment_channel is not None:
            raise InputError("--masks and --segment-channel exclude each other: masks are not looked for in a channel")
        for name in ("channel", "segment_channel", "scene", "z"):  # a number from Python is as good
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        if self.z is not None and self.z != "max" and not str(self.z).isdecimal():
            raise InputError(f"--z {self.z}: expected a number from 0, or max for the brightest of all z-planes")
        if self.axes is not None:
            object.__setattr__(self, "axes", _checked_axes(self.axes))
        if self.background is not None:
            background_choice(self.background)
        self._check_segment_on()

    @property
    def light_off(self) -> BackgroundChoice | None:
        """What `background` stands for; None where nothing is taken off."""
        return None if self.background is None else background_choice(self.background)

    def _check_segment_on(self) -> None:
        value = self.segment_on
        if isinstance(value, str) and value not in SEGMENT_ON:
            if not value.isdecimal():
                raise InputError(f"--segment-on {value}: expected auto, mean, max or a frame number from 0")
            object.__setattr__(self, "segment_on", int(value))
        elif not isinstance(value, str) and value < 0:
            raise InputError(f"--segment-on {value}: expected auto, mean, max or a frame number from 0")

    @property
    def usual_gap(self) -> int:
        """The gap that is closed between cells where none is given and none can be measured, px."""
        return 0 if self.masks is not None else CELLPOSE_GAP


@dataclass(frozen=True)
class TraceOptions:
    """What the user may choose for the ingest of traces with positions.

    Raises InputError if a value is out of range.
    """

    frame_interval_s: Annotated[
        float | None,
        Option("Seconds a frame; default: from the table's times.", flag="--frame-interval", unit="s"),
    ] = None
    experiment: Experiment = None
    condition: Condition = None
    max_distance_px: Annotated[
        float | None,
        Option("Longest contact, px; default 2.5 median nearest-neighbour distances.", flag="--max-distance"),
    ] = None
    mask_share: MaskShare = None
    min_border: Annotated[
        int | None, Option("With masks: shortest shared border of a contact, px.", unit="px", low=1, stands_for=5)
    ] = None
    max_gap: Annotated[
        int | None,
        Option("With masks: widest gap between touching cells, px; default: from the gaps found.", unit="px", low=0),
    ] = None
    neuropil: Annotated[
        float | None, Option("suite2p: traces are F less this times Fneu.", low=0, high=10, stands_for=0.7)
    ] = None
    columns: Annotated[
        str | None,
        Option("What the columns of a table are: cell=ROI,time=t_s,value=dF,x=cx,y=cy.", metavar="ROLE=NAME,..."),
    ] = None
    unconnected: Annotated[
        bool, Option("Take cells without positions, as cells without contacts: events are found, no coupling.")
    ] = False
    positions: Annotated[
        str | None, Option("Table of cell, x and y (px), where the traces have no positions.", metavar="FILE")
    ] = None
    all_regions: AllRegions = False
    signal: Annotated[
        str | None,
        Option("Which traces: C+YrA, C, F_dff or S of CaImAn; a series of NWB; a layer of AnnData.", metavar="NAME"),
    ] = None
    max_missing: Annotated[float, Option("Leave out cells with more than this share of frames missing.")] = 0.1
    zero_is_missing: Annotated[bool, Option("Take a mean of exactly 0 for a missing one.")] = False
    drop_repeats: Annotated[bool, Option("Leave out frames that are copies of the one before; time is kept.")] = False
    trust_interval: Annotated[
        bool, Option("Take --frame-interval against what the table says, and frames as evenly spaced.")
    ] = False

    def __post_init__(self) -> None:
        _check_positive("--frame-interval", self.frame_interval_s, "s")
        if self.max_distance_px is not None and not self.max_distance_px > 0:
            raise InputError(f"--max-distance {self.max_distance_px}: expected a positive number of px")
        if not 0 <= self.max_missing <= 1:
            raise InputError(f"--max-missing {self.max_missing}: expected a share from 0 to 1")
        check_limits(self, _beyond)
        parse_columns(self.columns)
        if self.unconnected and self.max_distance_px is not None:
            raise InputError("--unconnected and --max-distance exclude each other: there are no contacts then")
        if self.trust_interval and self.frame_interval_s is None:
            raise InputError(NOTHING_TO_TRUST)


def _outside(each: Declared, value: Any) -> InputError:
    return InputError(f"{each.flag} {value}: expected a whole number of px from {each.option.low:g} up")


def _beyond(each: Declared, value: Any) -> InputError:
    limit = (
        f"from {each.option.low:g} up"
        if each.option.high is None
        else f"from {each.option.low:g} to {each.option.high:g}"
    )
    return InputError(f"{each.flag} {value}: expected a {'whole ' if each.option.unit else ''}number {limit}")


def _checked_axes(axes: str) -> str:
    """In capitals. Raises InputError unless each of time, Y and X is there once, in an order that can be read."""
    letters = axes.strip().upper()
    once = len(set(letters)) == len(letters) and set("TYX") <= set(letters) <= set("TCZYX")
    if not once or letters.partition("YX")[2] not in ("", "C") or "YX" not in letters:
        raise InputError(
            f"--axes {axes}: expected T, Y and X, and C or Z where there are channels or z-planes, each once, in the "
            "order of the file, with YX at the end or before a last C, as in TCYX or TYXC"
        )
    return letters


def _check_positive(name: str, value: float | None, unit: str) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} {value}: expected a positive number of {unit}")
