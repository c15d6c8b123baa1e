"""Tables of traces, written and read."""

from types import SimpleNamespace

import numpy as np
import pytest

from calcigraph.ingest import ingest_traces
from calcigraph.ingest.options import TraceOptions


def table(path, mean, x, y, labels=None, style="Mean_{}", separator=","):
    """Write a table of traces, (n, T) each."""
    labels = labels if labels is not None else range(1, len(mean) + 1)
    names = [style.format(i).replace("Mean", kind) for i in labels for kind in ("Mean", "XM", "YM")]
    lines = [separator.join([" ", *names])]
    for t in range(mean.shape[1]):
        row = [str(float(v)) for i in range(len(mean)) for v in (mean[i, t], x[i, t], y[i, t])]
        lines.append(separator.join([str(t + 1), *row]))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def grid(frames=20, side=4, seed=0):
    """Traces of side x side cells about 10 px apart, jittering over time."""
    rng = np.random.default_rng(seed)
    y, x = (10.0 * np.indices((side, side)) + rng.uniform(-1, 1, (2, side, side))).reshape(2, -1, 1)
    jitter = rng.uniform(-0.1, 0.1, (2, side * side, frames))
    return rng.uniform(5, 50, (side * side, frames)), x + jitter[0], y + jitter[1]


def read(path, **options):
    return ingest_traces(str(path), culture="a", options=chosen(**options), version="0")


def chosen(**options):
    return TraceOptions(**{"frame_interval_s": 5.0} | options)


@pytest.fixture(scope="session")
def tables():
    """What tests of tables share."""
    return SimpleNamespace(table=table, grid=grid, read=read, chosen=chosen)
