"""A simulated tissue, and writers of what other programs would have found in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcigraph.ingest import ingest_traces
from calcigraph.ingest.options import TraceOptions
from calcigraph.models import SyntheticOptions, make_culture
from calcigraph.models.synthetic.culture import SyntheticCulture
from calcigraph.store.types import CultureData


@pytest.fixture(scope="session")
def tissue() -> SyntheticCulture:
    return make_culture(SyntheticOptions(cells=40, frames=80, size_px=256, seed=1))


@pytest.fixture(scope="session")
def read() -> Callable[..., CultureData]:
    def read(path: Any, **options: Any) -> CultureData:
        return ingest_traces(str(path), culture="a", options=TraceOptions(**options), version="0")

    return read


def stat_of(labels: np.ndarray) -> list[dict[str, Any]]:
    """The cells as suite2p describes them: dictionaries of arrays and numbers."""
    found = []
    for label in np.unique(labels[labels > 0]):
        y, x = np.nonzero(labels == label)
        found.append(
            {
                "ypix": y.astype(np.int32),
                "xpix": x.astype(np.int32),
                "lam": np.full(len(y), 0.5, np.float32),
                "med": [float(np.median(y)), float(np.median(x))],
                "npix": len(y),
                "overlap": np.zeros(len(y), bool),
                "radius": np.float64(7.5),
            }
        )
    return found


@pytest.fixture(scope="session")
def write_suite2p() -> Callable[..., Path]:
    """Writes a folder as suite2p does: numpy.save of arrays, of an array of dictionaries, and of a dictionary."""

    def write(folder: Path, labels: np.ndarray, traces: np.ndarray, **changes: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        around = np.float32(0.1) * traces[::-1].astype(np.float32)
        iscell = np.ones((len(traces), 2))
        files = {
            "F": traces.astype(np.float32),
            "Fneu": around,
            "spks": np.zeros_like(around),
            "iscell": iscell,
            "stat": np.array(stat_of(labels), dtype=object),
            "ops": {
                "fs": 0.2,
                "Ly": labels.shape[0],
                "Lx": labels.shape[1],
                "neucoeff": 0.7,
                "save_path": Path("/data/suite2p/plane0"),
                "nframes": traces.shape[1],
            },
        }
        for name, content in (files | changes).items():
            if content is not None:
                np.save(folder / f"{name}.npy", content, allow_pickle=True)
        return folder

    return write
