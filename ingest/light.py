"""Light that is not the cells' own: of neighbours, background and lamp. It is measured always, and removed if asked.

The traces are corrected in this order: pixels free of the neighbours' light (`--crosstalk`), without the light of
pixels that belong to no cell (`--background`), logarithm, without the lamp's course (`--detrend global`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcigraph.ingest.background import (
    EmptyMask,
    TakenOff,
    background_levels,
    background_pixels,
    taken_off,
    without_background,
)
from calcigraph.ingest.crosstalk import Spread, Surroundings, measure_spread, surroundings
from calcigraph.ingest.found_cells import FoundCells
from calcigraph.ingest.inset import deepest_pixels
from calcigraph.ingest.lamp import lamp_of
from calcigraph.ingest.options import IngestOptions
from calcigraph.ingest.trace_sums import CellMeans
from calcigraph.store.movie import DenoisedFrames
from calcigraph.store.types import FloatArray, Normalisation, Progress

MUCH_CROSSTALK, MUCH_BACKGROUND, MUCH_FLICKER = 0.01, 0.5, 0.003
"""Shares of the light of neighbours and background, and flicker, from which the user is told."""


@dataclass(frozen=True)
class Neighbourhood:
    """Where the neighbours' light falls; made by `measure_neighbours`."""

    around: Surroundings
    spread: Spread


@dataclass(frozen=True)
class Light:
    """Traces as the options ask for them, and what was found; made by `corrected`."""

    logs: FloatArray
    """(n, T), the log brightness of each cell."""
    facts: Mapping[str, Any]
    """`Culture.light`, JSON-able."""
    warnings: tuple[str, ...]
    """For the user."""
    off: TakenOff | None = None
    """What was taken off the traces for the background."""

    @property
    def off_counts(self) -> float:
        """The median over time of what was taken off the traces; 0 for nothing."""
        return 0.0 if self.off is None else float(np.median(self.off.levels))

    def scale(self, of_frames: Normalisation) -> Normalisation:
        """Eq. 23 of the traces: that of the frames, with the quartiles of the pixels' light above the background.

        As that of the frames where more than three quarters of the pixels lie below the background.
        """
        low, high = (math.log1p(max(math.expm1(each) - self.off_counts, 0)) for each in (of_frames.q1, of_frames.q3))
        return Normalisation(low, high) if self.off is not None and high > low else of_frames


def measure_neighbours(frames: DenoisedFrames, found: FoundCells, progress: Progress) -> Neighbourhood | None:
    """How much light comes from neighbours; None where no two cells touch."""
    if not len(found.tissue.contacts):
        return None
    around = surroundings(found.tissue.cells)
    return Neighbourhood(around, measure_spread(frames, found.tissue.cells, around, progress))


def on_cores(found: FoundCells, near: Neighbourhood | None, options: IngestOptions) -> FoundCells:
    """The cells with traces from pixels that are free of the neighbours' light; as they are where that is not known."""
    if near is None or not near.spread.known:
        return found
    cells = found.tissue.cells
    inset = max(near.spread.inset, options.trace_inset)
    pixels = deepest_pixels(cells, len(found.tissue.labels), inset, options.trace_inset)
    return replace(found, pixels=pixels, inset=inset)


def corrected(
    frames: DenoisedFrames,
    found: FoundCells,
    near: Neighbourhood | None,
    measured: CellMeans,
    options: IngestOptions,
    progress: Progress,
    empty: EmptyMask | Sequence[float] | None = None,
) -> Light:
    """The traces without the light that the options name.

    Parameters
    ----------
    frames
        The denoised movie.
    found
        Its n cells, and the pixels of their traces.
    near
        Where the neighbours' light falls.
    measured
        Means over these pixels.
    options
        `background`, `crosstalk` and `detrend` are used.
    progress
        Called with the stage "background".
    empty
        The user's mask of pixels without cells, or the levels that were found in it; None without one.

    Raises
    ------
    InputError
        There are no pixels to tell the background from, or a cell is no brighter than it.
    """
    logs, means = measured.logs, measured.raw
    facts, said = _of_neighbours(found, near, options)
    place = background_pixels(found.masks.labels)
    if len(place):
        levels = background_levels(frames, place, progress)
        share = float(np.median(levels / np.maximum(means.mean(axis=0), 1e-12)))
        facts |= {"background": float(np.median(levels)), "background_share": share}
        if options.background is None and share > MUCH_BACKGROUND:
            said.append(
                f"background: pixels without cells show {share:.0%} of the light in cells; --background auto removes it"
            )
    off = taken_off(frames, place, options, empty, progress)
    if off is not None:
        logs = np.log1p(without_background(means, off.levels, found.tissue.labels))
        facts |= off.facts
    elif options.light_off is not None:  # counts, taken off the frames
        without_background(means, np.zeros(means.shape[1]), found.tissue.labels)
        facts |= {"background_off": options.light_off.counts, "background_from": "counts as given"}
    if isinstance(empty, EmptyMask):
        said += _in_cells(empty, found)
    lamp = lamp_of(logs)
    facts["flicker"] = lamp.flicker
    if options.detrend == "global":
        logs = logs - lamp.course
    elif lamp.flicker > MUCH_FLICKER:
        said.append(f"lamp: the light of all cells flickers by {lamp.flicker:.1%}; --detrend global removes it")
    return Light(logs, facts, tuple(said), off)


def _in_cells(empty: EmptyMask, found: FoundCells) -> list[str]:
    """A warning where the user's background has cells in it."""
    inside = int((found.masks.labels.ravel()[empty.pixels] > 0).sum())
    if not inside:
        return []
    return [f"background: {inside} of the {len(empty.pixels)} pixels of its mask lie in cells; draw it between them"]


def _of_neighbours(
    found: FoundCells, near: Neighbourhood | None, options: IngestOptions
) -> tuple[dict[str, Any], list[str]]:
    """Facts and warnings about the neighbours' light."""
    facts: dict[str, Any] = {"trace_inset": found.inset}
    if near is None or not near.spread.known:
        told = "crosstalk: the cells change too little to tell how far their light spreads; --crosstalk changed nothing"
        return facts, [told] if options.crosstalk else []
    share = max(near.spread.of_pixels(near.around, found.pixels), 0.0)
    facts |= {"neighbours": share, "reach_px": near.spread.reach}
    if share <= MUCH_CROSSTALK:
        return facts, []
    if options.crosstalk:
        told = "the cells are too small to leave it all out"
    else:
        told = "--crosstalk takes traces from pixels without it"
    return facts, [f"crosstalk: {share:.1%} of the light in a cell's pixels is its neighbours'; {told}"]
