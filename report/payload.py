"""One culture as the page's script reads it: plain values and packed arrays, JSON-able."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calcigraph.pictures.cell_pages import time_axis
from calcigraph.pictures.firing import speed_text, time_unit
from calcigraph.pictures.style import limits
from calcigraph.pictures.wave_maps import risen
from calcigraph.report.culture import ReportCulture
from calcigraph.report.encode import bits_for, packed, quantised
from calcigraph.report.lines import COARSE_BITS, packed_lines
from calcigraph.report.outlines import extent, outlines_of
from calcigraph.report.quantities import Quantity, intensity_unit, quantities_of
from calcigraph.report.scales import Scale, colour_scale, histogram
from calcigraph.report.sentences import headline, number
from calcigraph.report.words import GROUP_MEANINGS
from calcigraph.store.event_types import WAVE
from calcigraph.store.types import FloatArray

Plain = dict[str, Any]
NOISY = 1.5
"""Noise over the median of the cells from which a silent cell may have small events that were missed."""


def payload_of(culture: ReportCulture) -> Plain:
    """Everything that the page draws of a culture."""
    data, graph = culture.data, culture.data.subgraph
    times, axis = time_axis(data)
    outlines = outlines_of(data)
    step = data.pixel_size_um or 1.0
    bits = bits_for(graph.intensity.size)
    seen = quantities_of(culture)
    observed = quantised(graph.intensity, bits)
    return {
        "name": culture.name,
        "about": data.about(),
        "headline": headline(culture),
        "unit": "µm" if data.pixel_size_um else "px",
        "step": step,
        "extent": [edge * step for edge in extent(data, outlines)],
        "outlines": outlines.packed(),
        "labels": packed(graph.labels, "i4"),
        "x": packed((graph.x_px + 0.5) * step, "f4"),
        "y": packed((graph.y_px + 0.5) * step, "f4"),
        "border": packed(graph.border, "u1"),
        "pairs": packed(graph.pairs, "i4"),
        "shared": packed(graph.shared_border_px * step, "f4"),
        "times": packed(times, "f8"),
        "axis": axis,
        "intensity": data.intensity_unit,
        "intensity_unit": intensity_unit(culture),
        "intensity_scale": Scale(*limits(graph.intensity, 2, 98), log=False, palette="viridis").plain(),
        "resolution": _resolution(bits, float(observed.step.max(initial=0.0) / 2)),
        "observed": observed.packed(),
        "lines": packed_lines(culture, bits),
        "quantities": [_quantity(each) for each in seen],
        "models": [_model(culture, place) for place in range(len(culture.fits))],
        "events": _events(culture, times),
        "waves": _waves(culture),
        "remarks": _remarks(culture),
        "silent": _silent(culture),
        "start": _start(culture),
    }


def _resolution(bits: int, error: float) -> str:
    return (
        f"Traces are kept in this file with {bits} bits a value: what is drawn departs from the graph's value by "
        f"{number(float(f'{error:.1g}'))} at most; thin lines with {COARSE_BITS}."
    )


def _quantity(each: Quantity) -> Plain:
    scale = colour_scale(each.values, signed=each.signed, palette=each.palette)
    found: Plain = {
        "key": each.key,
        "name": each.name,
        "unit": each.unit,
        "label": each.label,
        "values": packed(each.values, "f4"),
        "scale": scale.plain(),
        "listed": each.listed,
        "shared": each.shared,
    }
    if each.low is not None and each.high is not None:
        found |= {"low": packed(each.low, "f4"), "high": packed(each.high, "f4")}
    if each.histogram:
        found["histogram"] = histogram(each.values)
    return found


def _model(culture: ReportCulture, place: int) -> Plain:
    """The words of a fit: of each cell whether its coupling is identified, and why not; its group."""
    fit = culture.fits[place]
    name, words = fit.data.coupling()[1], fit.data.words
    nothing = (None,) * len(culture.data.subgraph.labels)
    return {
        "model": fit.model,
        "coupling": f"{fit.model}_{name}",
        "word": list(fit.data.identified()),
        "why": [text or "" for text in words.get(f"{fit.model}_why", nothing)],
        # They are groups of the run without own activity, and no measure of a fit that finds such activity.
        "group": [] if fit.data.sourced else [GROUP_MEANINGS.get(group, group) for group in fit.data.groups()],
        "stale": bool(fit.row["stale"]),
        "culture": fit.row["identified"] or "",
    }


def _events(culture: ReportCulture, times: FloatArray) -> Plain | None:
    firing = culture.data.firing
    if firing is None:
        return None
    graph, events = culture.data.subgraph, firing.events
    rows = np.searchsorted(graph.labels, events.label)
    wave = np.zeros(len(events), dtype=np.int64)
    for place, each in enumerate(firing.waves, start=1):
        wave[each.events] = place
    unit = _unit_of_axis(graph.frame_times)
    level = [
        float(np.interp(peak, graph.frame_times, graph.intensity[row]))
        for row, peak in zip(rows.tolist(), events.peak_s.tolist(), strict=True)
    ]
    return {
        "row": packed(rows, "i4"),
        "peak": packed(events.peak_s / unit, "f4"),
        "half": packed(events.half_s / unit, "f4"),
        "level": packed(level, "f4"),
        "amplitude": packed(events.amplitude, "f4"),
        "snr": packed(events.snr, "f4"),
        "wave": packed(wave, "i4"),
    }


def _unit_of_axis(seconds: FloatArray) -> float:
    """Seconds in the unit of `pictures.cell_pages.time_axis`."""
    return 60.0 if seconds[-1] >= 600 else 1.0


def _waves(culture: ReportCulture) -> list[Plain]:
    data, firing = culture.data, culture.data.firing
    if firing is None:
        return []
    graph, found = data.subgraph, list[Plain]()
    row = np.searchsorted(graph.labels, firing.events.label)
    links = firing.links
    for place, wave in enumerate(firing.waves, start=1):
        unit, name = time_unit(wave.duration_s)
        since = risen(data, firing, wave) / unit
        inside = np.zeros(len(firing.events), dtype=np.bool_)
        inside[wave.events] = True
        taken = inside[links.before] & inside[links.after] & ~links.tie
        at, at_name = time_unit(float(graph.frame_times[-1]))
        cells = int(np.isfinite(since).sum())
        text = f"{wave.kind} {place}: {cells} cells, at {wave.onset_s / at:.3g} {at_name}, p = {wave.p:.2g}"
        speed = speed_text(wave, data.pixel_size_um) if wave.kind == WAVE else ""
        frame = int(np.searchsorted(graph.frame_times, wave.onset_s))
        found.append(
            {
                "number": place,
                "kind": wave.kind,
                "text": f"{text}{', ' if speed else ''}{speed}",
                "frame": min(frame, len(graph.frame_times) - 1),
                "label": f"half rise in {wave.kind} {place} ({name} after its first)",
                "since": packed(since, "f4"),
                "scale": Scale(*limits(since), log=False, palette="early").plain(),
                "from": packed(row[links.before[taken]], "i4"),
                "to": packed(row[links.after[taken]], "i4"),
                "starts": np.searchsorted(graph.labels, wave.starts).tolist(),
            }
        )
    return found


def _remarks(culture: ReportCulture) -> dict[str, list[list[str]]]:
    """By the row of a cell: what is unusual about it, as kind and sentence."""
    labels = culture.data.subgraph.labels
    found: dict[str, list[list[str]]] = {}
    rows: Sequence[tuple[Any, str, str]] = [
        *((row["label"], "anomaly", row["reason"]) for row in culture.anomalies),
        *((row["label"], f"doubtful: {row['what']}", row["why"]) for row in culture.doubtful),
    ]
    for label, kind, text in rows:
        found.setdefault(str(int(np.searchsorted(labels, label))), []).append([kind, text])
    return found


def _silent(culture: ReportCulture) -> Plain | None:
    """The rows of the cells without an event, and of those the ones whose noise may hide small events."""
    if "events" not in culture.rates:
        return None
    events, noise = culture.rates["events"], culture.rates["noise"]
    quiet = events == 0
    noisy = quiet & (noise > NOISY * np.nanmedian(noise))
    return {"rows": np.flatnonzero(quiet).tolist(), "noisy": np.flatnonzero(noisy).tolist()}


def _start(culture: ReportCulture) -> int:
    """The cell that is shown first: an inner one with many events, else one whose trace moves much."""
    graph = culture.data.subgraph
    busy = np.nan_to_num(culture.rates.get("events", np.zeros(len(graph.labels))))
    moves = np.ptp(graph.intensity, axis=1)
    order = np.lexsort((-moves, -busy, graph.border))
    return int(order[0])
