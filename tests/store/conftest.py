"""Small cultures and fits to store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from calcigraph.store.types import Cells, Contacts, Culture, CultureData, Fit

MakeCulture = Callable[..., CultureData]


def _make_culture(
    name: str = "A", cells: int = 30, frames: int = 12, digest: str = "first", seed: int = 0, **properties: Any
) -> CultureData:
    rng = np.random.default_rng(seed)
    labels = np.arange(1, cells + 1) * 3
    pairs = np.array([(i, i + step) for i in range(cells) for step in (1, 2, 3) if i + step < cells])
    values: dict[str, Any] = {
        "uid": name,
        "experiment": "plate",
        "condition": "control",
        "frames": frames,
        "frame_interval_s": 10.0,
        "pixel_size_um": None,
        "height_px": 64,
        "width_px": 48,
        "movie": f"movies/{name}.ome.zarr",
        "masks": "file:labels.tif",
        "input_digest": digest,
        "options": {"trace_inset": 1, "detrend": "none"},
        "intensity_offset": 0.25,
        "intensity_gain": 1.5,
        "bleaching": 0.02,
        "shift_px": None,
        "saturated": 0.0,
        "warnings": ("the mean falls by 12 %",),
        "tissue": {"found": 12, "too_small": 2, "coverage": 0.9, "contacts_per_inner_cell": None},
        "doubts": ("2 of 12 cells are left out",),
        "created": "2025-01-01T00:00:00+00:00",
        "version": "0.1.0",
    }
    return CultureData(
        Culture(**(values | properties)),
        Cells(
            labels=labels,
            area_px=rng.uniform(500, 900, cells),
            x_px=rng.uniform(0, 48, cells),
            y_px=rng.uniform(0, 64, cells),
            border=np.arange(cells) < 5,
            polygons=(None, *["POLYGON ((0 0, 1 0, 1 1, 0 0))"] * (cells - 1)),
            intensity=rng.random((cells, frames)),
            flags=("no inset", *[""] * (cells - 1)),
        ),
        Contacts(
            label_a=labels[pairs[:, 0]],
            label_b=labels[pairs[:, 1]],
            shared_border_px=np.where(np.arange(len(pairs)) == 0, np.nan, 7.0),
            centroid_distance_px=rng.uniform(5, 30, len(pairs)),
        ),
    )


def _make_fit(
    data: CultureData,
    names: Sequence[str] = ("k", "feed"),
    labels: Any = None,
    **settings: Any,
) -> Fit:
    chosen = data.cells.labels if labels is None else np.asarray(labels)
    return Fit(
        culture=data.culture.uid,
        model="crlsm",
        case="per-cell",
        settings={"ridge": 1e-3} | settings,
        labels=chosen,
        k=0.01,
        feed=float("nan"),
        cells={name: chosen * (place + 1.0) for place, name in enumerate(names)},
        words={"group": ("good",) * len(chosen)},
        advice=("k is at its bound",),
    )


@pytest.fixture
def make_culture() -> MakeCulture:
    """Build a culture: make_culture(name, cells, frames, digest, seed, **culture properties)."""
    return _make_culture


@pytest.fixture
def make_fit() -> Callable[..., Fit]:
    """Build a fit of a culture: make_fit(data, names, labels, **settings)."""
    return _make_fit
