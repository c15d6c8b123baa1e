"""How near the own shares of events are to the truth, from traces alone: part of `make events`.

    python benchmarks/own_share.py [--cultures 20]

Cultures have brief sources, a pump of 1/100 per second and a k of their own. Each is fitted by the default model, its
events are detected, and their own shares told. The truth is what the sources brought from onset to peak, as a share of
the true rise and of what the pump took meanwhile: sources are what is left of the noiseless course by the true k, feed
and pump.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tissue import keep

from calcigraph.models import FitOptions, SyntheticCulture, SyntheticOptions, fit, make_culture
from calcigraph.models.events import detect_events
from calcigraph.models.identify import IDENTIFIED
from calcigraph.models.own_share import Coupling, own_shares
from calcigraph.models.quadrature import frame_means
from calcigraph.store.event_types import Events
from calcigraph.store.types import FloatArray

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "events"
LEAK = 0.01
LINES: dict[str, dict[str, Any]] = {
    "k 0.005": {"k": 0.005},
    "k 0.01": {"k": 0.01},
    "k 0.03": {"k": 0.03},
    "k 0.03, two waves": {"k": 0.03, "waves": 2, "wave_speed": 4.0},
    "k 0.01, noise 0.01": {"k": 0.01, "trace_noise": 0.01},
    "k 0.01, 15 sources a cell": {"k": 0.01, "spikes": 15},
    "k 0.03, no leak": {"k": 0.03, "leak": 0.0},
    "k 0.03, sources that decay": {"k": 0.03, "spike_shape": "decay"},
    "k 0.03, cells' k differ by 30 %": {"k": 0.03, "k_spread": 0.3},
    "k 0.03, cells fluctuate": {"k": 0.03, "activity": "fluctuation", "activity_size": 0.03},
    "k 0.03, brightness drifts by 0.02": {"k": 0.03, "brightness_drift": 0.02},
    "k 0.03, brightness drifts by 0.05": {"k": 0.03, "brightness_drift": 0.05},
}


def shares(culture: SyntheticCulture) -> tuple[Events, str]:
    """The events of a culture with their own shares, and the word of its k."""
    graph = culture.subgraph()
    found, detected = fit(graph, options=FitOptions(null=0)), detect_events(graph)
    if found.k_low is None or found.k_high is None or found.k is None or found.identified != IDENTIFIED:
        return detected.events, str(found.identified)
    told = Coupling(
        run=found.run, settings=found.settings, k=found.k, k_low=found.k_low, k_high=found.k_high,
        leak=float(found.facts.get("leak") or 0.0), leak_error=float(found.facts.get("leak_error") or 0.0),
    )  # fmt: skip
    return own_shares(graph, detected.events, detected.baseline, detected.noise, told), str(found.identified)


def true_shares(culture: SyntheticCulture, events: Events) -> FloatArray:
    """What a cell's own source brought of each rise, (e,); NaN in border cells."""
    graph, op, dt = culture.subgraph(), culture.operator(), culture.options.frame_interval_s
    course, leak = culture.calcium, culture.options.leak
    inner = course[op.inner]
    k = culture.k[op.inner, None]
    rest = np.median(inner, axis=1, keepdims=True)
    lost = leak * frame_means(inner - rest) * dt
    # At rest feed, pump and neighbours balance: what exceeds that is the source.
    flow = k * frame_means(op.apply(course - np.median(course, axis=1, keepdims=True))) * dt
    source = np.diff(inner, axis=1) - flow + lost
    source -= np.median(source, axis=1, keepdims=True)
    where = np.full(op.cells, -1)
    where[op.inner] = np.arange(len(op.inner))
    row = where[np.searchsorted(graph.labels, events.label)]
    frames = np.arange(inner.shape[1])

    def between(steps: FloatArray) -> FloatArray:
        sums = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
        ends = [[np.interp(t / dt, frames, sums[r]) for r, t in zip(row, times, strict=True)]
                for times in (events.onset_s, events.peak_s)]  # fmt: skip
        return np.subtract(ends[1], ends[0])

    own, whole = between(source), between(np.diff(inner, axis=1) + lost)
    return np.where((row >= 0) & (whole > 0), np.clip(own / np.where(whole > 0, whole, 1), 0, 1), np.nan)


def measured(cultures: int) -> list[dict[str, Any]]:
    rows = []
    for name, options in LINES.items():
        off, held, width, true, events, words = [], [], [], [], 0, []
        for seed in range(cultures):
            culture = make_culture(SyntheticOptions(seed=7000 + seed, **{"leak": LEAK, **options}))
            found, word = shares(culture)
            truth = true_shares(culture, found)
            known = np.isfinite(found.own_share) & np.isfinite(truth)
            share, low, high = found.own_share[known], found.own_share_low[known], found.own_share_high[known]
            off += (share - truth[known]).tolist()
            held += ((low <= truth[known] + 0.01) & (truth[known] - 0.01 <= high)).tolist()
            width += (high - low).tolist()
            true += truth[known].tolist()
            events += len(found)
            words.append(word)
        rows.append({"line": name, "cultures": cultures, "identified": words.count("identified"), "events": events,
                     **summary(*(np.array(each) for each in (off, held, width, true)))})  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def summary(off: FloatArray, held: FloatArray, width: FloatArray, truth: FloatArray) -> dict[str, float]:
    """Of all events with a share, and of those of which some came from neighbours."""
    mixed = truth < 0.95
    if not mixed.any():
        return {"told": len(off)}
    return {
        "told": len(off),
        "passed_on": float((truth < 0.5).mean()),
        "called_right": float(((truth + off < 0.5) == (truth < 0.5)).mean()),
        "error_of_mixed": float(np.median(np.abs(off[mixed]))),
        "width_of_mixed": float(np.median(width[mixed])),
        "coverage": float(held.mean()),
        "coverage_of_mixed": float(held[mixed].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cultures", type=int, default=20)
    keep({"own_share.csv": measured(parser.parse_args().cultures)}, FOLDER)


if __name__ == "__main__":
    main()
