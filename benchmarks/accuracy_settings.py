"""The kinds of cultures that benchmarks/accuracy.py measures, with what is claimed of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from calcigraph.models import SyntheticCulture, SyntheticOptions, make_culture


@dataclass(frozen=True)
class Setting:
    """Cultures of one kind."""

    what: str
    claim: str
    k: tuple[float, float] = (0.004, 0.03)
    source: str = "traces"
    """`traces`, `movie` (through files, with given masks) or `cellpose` (the same without)."""
    cultures: int = 4
    """Unless --seeds is given."""
    options: dict[str, Any] = field(default_factory=dict)


PLANTED = {"uncoupled": 5, "uncoupled_factor": 0.2, "abnormal_feeds": 5, "abnormal_feed_size": 10.0}
SPIKY = {"spikes": 8, "trace_noise": 0.01}


def tails(seconds: float, **options: Any) -> dict[str, Any]:
    return {"spike_shape": "decay", "spike_decay_s": seconds, **options}


MOVIE = "error 0.5 %, worst 2 %; feed r 0.95, own k 4 %, cells 95 %"
TAILS = "error 2 %; 90 % inside, half called"
SETTINGS = {
    "movie": Setting("movie, masks given", MOVIE, source="movie", cultures=2),
    "movie-fast": Setting("movie, k = 0.08", "worst 6 %", (0.08, 0.08), "movie", cultures=1),
    "cellpose": Setting("movie, cells found by Cellpose", "error 2 %; covered 100 %", source="cellpose", cultures=1),
    "traces": Setting("traces, noise 0.002", "error 0.2 %; covered 90 to 99 % of 100, +- 1 %; feed +- 0.5"),
    "spiky-slow": Setting("8 spikes, noise 0.01, k to 0.01", "error 1 %", (0.004, 0.01), options=SPIKY),
    "spiky-fast": Setting("8 spikes, noise 0.01, k = 0.03", "error 4 %", (0.03, 0.03), options=SPIKY),
    "tail-30": Setting("tails of 30 s", TAILS, options=tails(30.0)),
    "tail-80": Setting("tails of 80 s", TAILS, options=tails(80.0)),
    "extrusion": Setting("extrusion after each spike", TAILS, options={"spike_shape": "extrusion"}),
    "gaussian": Setting(
        "slow spikes, noise 0.005", "covered 85 %", options={"spike_shape": "gaussian", "trace_noise": 0.005}
    ),
    "many-tails": Setting(
        "6 spikes, tails of 50 s, noise 0.004", "covered 85 %", options=tails(50.0, spikes=6, trace_noise=0.004)
    ),
    "quiet": Setting("no spikes, noise 0.001", "covered 85 %", options={"spikes": 0, "trace_noise": 0.001}),
    "coarse": Setting(
        "one frame per 20 s, k 0.025 to 0.05", "covered or weak", (0.025, 0.05), options={"frame_interval_s": 20.0}
    ),
    "fast": Setting("k 0.05 to 0.1", "covered or weak", (0.05, 0.1)),
    "fine": Setting("one frame per second", "-", options={"frame_interval_s": 1.0}),
    "noisy": Setting("noise 0.02", "-", options={"trace_noise": 0.02}),
    "waves": Setting("2 travelling waves", "-", options={"waves": 2}),
    "missing": Setting("10 % of the cells without mask", "-", options={"missing": 0.1}),
    "merged": Setting("6 pairs of cells in one mask", "-", options={"mask_merges": 6}),
    "anomalies": Setting("10 planted cells, traces", "9 of 10 found, 1 false", (0.01, 0.03), options=PLANTED),
    "anomalies-movie": Setting(
        "10 planted cells, movie", "9 of 10 found, 1 false", (0.01, 0.03), "movie", 1, options=PLANTED
    ),
}


def culture_of(setting: Setting, seed: int) -> SyntheticCulture:
    """The culture of this seed, its k drawn from the setting's range, evenly in its logarithm."""
    low, high = np.log(setting.k)
    k = float(np.exp(np.random.default_rng([seed, 99]).uniform(low, high)))
    return make_culture(replace(SyntheticOptions(k=k, seed=seed), **setting.options))
