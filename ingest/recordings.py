"""A recording that came as traces, whatever file it came in, before its cells are laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.ingest.digests import NOTHING, Said, digest_of
from calcigraph.ingest.options import TraceOptions
from calcigraph.ingest.others.results import Regions, Results
from calcigraph.ingest.quality import quality_warnings
from calcigraph.ingest.times import Timing, recorded_times, settle
from calcigraph.ingest.trace_quality import zero_warnings
from calcigraph.store.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Recording:
    """Frames in order, cells sorted by label."""

    labels: IntArray
    """(n,)."""
    mean: FloatArray
    """(n, T)."""
    missing: BoolArray
    """(n, T)."""
    x_px: FloatArray
    """(n,), NaN where it is not known."""
    y_px: FloatArray
    timing: Timing
    notes: tuple[str, ...]
    """What was done to the table or is odd about it, one line each, for the user."""
    digest: str
    recorded: Mapping[str, Any] = field(default_factory=dict)
    """What decides the result beside the traces, for `Culture.options`."""
    program: str | None = None
    """The program that made the file; None for tables."""
    regions: Regions | None = None
    """The pixels of the cells, in the order of `labels`, where they are known."""
    pairs: IntArray | None = None
    """(m, 2), the cells in contact by place, where the file says."""
    pixel_size_um: float | None = None

    @property
    def placed(self) -> BoolArray:
        """(n,), which cells have a place."""
        return np.asarray(np.isfinite(self.x_px) & np.isfinite(self.y_px))


def fresh_frames(mean: FloatArray) -> BoolArray:
    """(T,), which frames differ from the one before, from (T, n)."""
    with np.errstate(invalid="ignore"):
        same = (mean[1:] == mean[:-1]) | (np.isnan(mean[1:]) & np.isnan(mean[:-1]))
    fresh: BoolArray = np.concatenate([[True], ~same.all(axis=1)])
    return fresh


def repeat_warnings(repeats: int, frames: int) -> tuple[str, ...]:
    """A sentence about frames that are copies of the one before."""
    return quality_warnings(
        bleaching=0.0, detrended=False, shift_px=0.0, saturated=0.0, repeated=repeats, frames=frames
    )


def without_repeats(
    fresh: BoolArray, timing: Timing, options: TraceOptions, source: str
) -> tuple[IntArray, Timing, tuple[str, ...]]:
    """The frames to take, their times, and what to tell."""
    repeats, frames = int((~fresh).sum()), len(fresh)
    if not (options.drop_repeats and repeats):
        return np.arange(frames), timing, repeat_warnings(repeats, frames)
    if fresh.sum() < 2:
        raise InputError(f"{source}: all of its {frames} frames are the same; expected a recording")
    left = f"repeats: {repeats} of {frames} frames are copies of the one before and are left out"
    kept = np.flatnonzero(fresh)
    return kept, timing.chosen(kept, frames), (left,)


def recording_of(results: Results, options: TraceOptions, source: str, said: Said = NOTHING) -> Recording:
    """The recording in another program's results.

    Parameters
    ----------
    results
        With traces.
    options
        What the user chose.
    source
        The path as the user gave it.
    said
        Experiment and condition as a calcigraph hashed them to version 0.2.

    Raises
    ------
    InputError
        There are no two frames, or no time; times contradict one another.
    """
    traces = results.traces
    if traces is None or traces.ndim != 2 or len(traces) != len(results.labels):
        raise InputError(f"{source}: has no traces of its {len(results.labels)} cells; expected one a cell")
    if not len(traces):
        raise InputError(f"{source}: has no cell; expected traces of cells")
    if traces.shape[1] < 2:
        raise InputError(f"{source}: {traces.shape[1]} frames; expected at least 2")
    order = np.argsort(results.labels, kind="stable")
    traces = traces[order]
    missing = ~np.isfinite(traces) | ((traces == 0) & options.zero_is_missing)
    timing = settle(results.times, options.frame_interval_s, options.trust_interval, source)
    frames, timing, told = without_repeats(fresh_frames(traces.T), timing, options, source)
    traces, missing = traces[:, frames], missing[:, frames]
    zeros = (traces == 0) & ~missing
    odd = zero_warnings(traces, zeros, np.zeros_like(zeros), results.labels[order])
    nowhere = np.full(len(order), np.nan)
    rank = np.argsort(order)
    return Recording(
        labels=results.labels[order],
        mean=traces,
        missing=missing,
        x_px=nowhere if results.x_px is None else results.x_px[order],
        y_px=nowhere if results.y_px is None else results.y_px[order],
        timing=timing,
        notes=(*results.notes, *timing.warnings, *odd, *told),
        digest=_digest(results, timing, options, said),
        recorded=results.recorded,
        program=results.program,
        regions=None if results.regions is None else results.regions.chosen(order),
        pairs=None if results.pairs is None else np.unique(np.sort(rank[results.pairs], axis=1), axis=0),
        pixel_size_um=results.pixel_size_um,
    )


def _digest(results: Results, timing: Timing, options: TraceOptions, said: Said) -> str:
    deciding = {
        "values": results.digest(),
        "times": recorded_times(timing),
        "recorded": dict(results.recorded),
        "said": list(said),
        "options": [options.max_distance_px, options.max_missing, options.zero_is_missing, options.drop_repeats],
        "masks": [options.mask_share, options.min_border, options.max_gap],
        "trusted": options.trust_interval,
        **({"unconnected": True} if options.unconnected else {}),
    }
    return digest_of(json.dumps(deciding, sort_keys=True).encode())
