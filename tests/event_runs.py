"""Runs of events for tests of the graph, made by hand: any events and waves, and a small example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calcigraph.store.event_types import EventRun, Events, Links, Wave, no_events
from calcigraph.store.types import CultureData

WAVE_EVENTS = {0: (10, 60), 1: (20, 70), 2: (30,), 3: (30, 90), 6: (66,), 11: (100,), 12: (100,), 13: (100,)}
"""Half rises in seconds by place of the cell: two waves from cell 0, of which the first reaches cells 1, 2 and 3 and
the second 1 and 6; an event of cell 3 alone; and a flash of cells 11, 12 and 13."""
WAVE_LINKS = ((0, 2), (1, 3), (1, 7), (2, 4), (4, 5))
"""Places of the events; the last two come at the same time."""
LINKS_P = (0.01, 0.01, 0.5, 0.2, 0.9)


def build_event_run(
    data: CultureData,
    half_s: Mapping[int, Sequence[float]],
    *,
    waves: Sequence[Wave] = (),
    links: Sequence[tuple[int, int]] = (),
    links_p: Sequence[float] | float = 0.01,
    noise: float = 0.02,
    settings: Mapping[str, Any] | None = None,
    **values: Any,
) -> EventRun:
    """Events at these times of these labels; `waves` and `links` name them by their places in order of label, time.

    Events that are linked and have the same time are a tie. `values` are columns of the events, such as amplitude: one
    number for all, or one for each.
    """
    label = np.repeat(sorted(half_s), [len(half_s[each]) for each in sorted(half_s)]).astype(np.int64)
    half = np.array([time for each in sorted(half_s) for time in sorted(half_s[each])], dtype=np.float64)
    same = {"amplitude": 0.3, "dff": 0.4, "snr": 9.0, "quality": 0.9, "half_se_s": 1.0} | values
    columns: dict[str, Any] = {name: np.zeros(len(half), kind.dtype) for name, kind in vars(no_events()).items()}
    columns |= {"label": label, "half_s": half, "onset_s": half - 5, "peak_s": half + 5, "end_s": half + 30}
    columns |= {name: np.broadcast_to(value, len(half)).copy() for name, value in same.items()}
    before, after = (np.array([pair[side] for pair in links], dtype=np.int64) for side in (0, 1))
    lag = half[after] - half[before]
    cells = len(data.cells.labels)
    return EventRun(
        culture=data.culture.uid,
        settings={"min_snr": 4.0, "method": "own"} | dict(settings or {}),
        events=Events(**columns),
        links=Links(before, after, lag, lag == 0, np.broadcast_to(links_p, len(links)).astype(np.float64)),
        waves=tuple(waves),
        labels=data.cells.labels,
        baseline=np.zeros((cells, data.culture.frames)),
        noise=np.full(cells, noise),
    )


def build_wave(events: Sequence[int], *, starts: Sequence[int] = (), speed: float | None = 2.0, **values: Any) -> Wave:
    """A wave of the events at these places; it begins at 100 s."""
    known: dict[str, Any] = {
        "kind": "wave", "onset_s": 100.0, "duration_s": 60.0, "speed_px_s": speed, "speed_low_px_s": None,
        "speed_high_px_s": None, "direction_deg": None, "radial": True, "origin_x_px": 15.0, "origin_y_px": 15.0,
        "p": 0.005, "q": 0.01,
    }  # fmt: skip
    return Wave(events=np.array(events, dtype=np.int64), starts=np.array(starts, dtype=np.int64), **known | values)


def build_run(data: CultureData, **values: Any) -> EventRun:
    """The example, in a culture of 14 cells or more; `values` replaces fields of the run."""
    labels, frames = data.cells.labels, data.culture.frames
    half_s = {int(labels[place]): times for place, times in WAVE_EVENTS.items()}
    half = np.array([time for times in WAVE_EVENTS.values() for time in times], dtype=np.float64)
    columns: dict[str, Any] = {name: 0.25 for name in vars(no_events()) if name not in ("label", "half_s")}
    columns |= {"onset_s": half - 4, "peak_s": half + 5, "end_s": half + 20, "decay_s": np.nan}
    columns |= {"cut_start": False, "cut_end": half + 20 > 10.0 * frames, "amplitude": np.arange(1.0, len(half) + 1)}
    columns["own_share"] = np.where(np.arange(len(half)) < 2, 0.75, np.nan)
    known = {"p": 0.01, "q": 0.02}
    seen = {"speed": 3.0, "speed_low_px_s": 2.5} | known
    flash = {"kind": "flash", "speed": None, "radial": None, "origin_x_px": None, "origin_y_px": None} | known
    waves = [
        build_wave(of, starts=labels[starts].tolist(), onset_s=half[of[0]], duration_s=float(np.ptp(half[of])), **more)
        for of, starts, more in (([0, 2, 4, 5], [0], seen), ([1, 7, 3], [0, 6], seen), ([8, 9, 10], [], flash))
    ]
    run = build_event_run(data, half_s, waves=waves, links=WAVE_LINKS, links_p=LINKS_P, **columns)
    example = {
        "settings": {"min_snr": 4.0, "baseline_s": None}, "baseline": np.full((len(labels), frames), 0.4),
        "noise": np.linspace(0.01, 0.02, len(labels)), "facts": {"max_lag_s": 30.0}, "advice": ("film faster",),
    }  # fmt: skip
    return replace(run, **example | values)
