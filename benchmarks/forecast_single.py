"""Can single contacts that carry waves be told from contacts that do not: part of benchmarks/forecast.py.

In a medium some contacts carry and the others do not; all of them are in the graph. For each cell, what the regression
on its own past misses is explained by the rises of its neighbours while it is quiet, all neighbours at once: one that
tells no more than another gets no weight. A contact's score is the larger z of its two directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from calcigraph.models.forecast.lighting import area_under_curve
from calcigraph.models.forecast.neighbours import AHEAD, KINDS, VALUES, own_state, shown
from calcigraph.models.forecast.past import LAGS, Past, past_of
from calcigraph.models.forecast.ridge import coming, fitted, moments_of
from calcigraph.models.synthetic import excitable
from calcigraph.models.synthetic.label_geometry import measure_labels
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.tissue import confluent_labels
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.models.synthetic.wave_plans import planned
from calcigraph.models.synthetic.whole import as_subgraph
from calcigraph.store.types import BoolArray, Contacts, FloatArray, IntArray, Subgraph

CARRYING = 0.6
"""Share of the contacts."""
WRONG = 0.01
"""Share of the contacts that do not carry which may be taken for ones that do."""
MANY = WaveOptions(waves=12, own_rate=1)
KINDS_OF_CULTURES = {
    "12 waves in an hour": MANY,
    "60 waves in 5 hours": replace(MANY, waves=60, frames=1801),
    "300 waves in 25 hours": replace(MANY, waves=300, frames=9001),
}


def of_single(cultures: int, seed: int) -> Iterator[dict[str, object]]:
    """One row a culture: how well contacts that carry are told from the others."""
    for name, options in KINDS_OF_CULTURES.items():
        for at in range(cultures):
            graph, carries = planted(replace(options, seed=seed + 2000 + at))
            score = scores(past_of(graph), graph.pairs)
            least = np.quantile(score[~carries], 1 - WRONG)
            yield {
                "cultures": name,
                "contacts": len(carries),
                "auroc": area_under_curve(score, carries),
                "recovered": float((score[carries] > least).mean()),
                "not_carrying_beyond_p_01": float((score[~carries] > 2.576).mean()),
            }


def planted(options: WaveOptions) -> tuple[Subgraph, BoolArray]:
    """A culture with all its contacts, and which of them carry."""
    rng = np.random.default_rng([options.seed, 7])
    geometry = measure_labels(confluent_labels((options.size_px, options.size_px), options.cells, rng))
    every = geometry.contacts
    carries = rng.random(len(every.label_a)) < CARRYING
    some = Contacts(
        label_a=every.label_a[carries],
        label_b=every.label_b[carries],
        shared_border_px=every.shared_border_px[carries],
        centroid_distance_px=every.centroid_distance_px[carries],
    )
    fewer = replace(geometry, contacts=some)
    fired = excitable.spread(options, fewer, planned(options, fewer, rng), rng)
    _, traces = excitable._seen(options, geometry, fired, rng)
    like = SyntheticOptions(frame_interval_s=options.frame_interval_s)
    return as_subgraph(like, geometry, traces, "planted"), carries


def scores(past: Past, pairs: IntArray) -> FloatArray:
    """(m,), how much the rises of one cell of a contact tell of the other, beyond what its other neighbours tell."""
    weights = fitted(moments_of(past, (AHEAD,)), []).values
    frames = slice(LAGS, past.values.shape[1] - AHEAD)
    own = np.concatenate([features[:, frames] @ weights for _, features in past.blocks()])
    missed = coming(past, slice(None), frames, (AHEAD,))[..., 0] - own[..., 0]
    rises = shown(past)[:, VALUES:][:, KINDS[0]].sum(axis=1)[:, frames]
    quiet = own_state(past)[:, 0, frames]
    z = np.zeros((len(pairs), 2))
    for cell in range(len(missed)):
        contact, side = np.nonzero(pairs == cell)
        rows = (rises[pairs[contact, 1 - side]] * quiet[cell]).T
        inverse = np.linalg.pinv(rows.T @ rows)
        found = inverse @ (rows.T @ missed[cell])
        left = missed[cell] - rows @ found
        error = np.sqrt(np.maximum(np.diag(inverse), 0) * (left**2).mean())
        z[contact, side] = np.divide(found, error, out=np.zeros_like(found), where=error > 0)
    return np.asarray(z.max(axis=1))
