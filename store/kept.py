"""What the graph has of culture, cells and contacts, kept in the movie store, so that the graph can be made again.

rows/culture, rows/cells, rows/contacts: each (bytes,) uint8, UTF-8 JSON. Traces are not in it (traces/normalised).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from calcigraph.store.chunks import Digests, read_array, read_json, write_array, write_group
from calcigraph.store.location import Location
from calcigraph.store.types import Cells, Contacts, Culture, CultureData, FloatArray

ROWS = "rows"
"""The group's name inside a store."""
_CELLS = ("labels", "area_px", "x_px", "y_px", "border", "polygons", "flags", "open_px")
_LATER = ("movie", "movie_digest", "movie_uri", "created", "complete", "plan", "annotations")
"""Fields of a culture that are others when the same is ingested again, or not part of its ingest."""


def write_rows(path: Path, data: CultureData, source: Mapping[str, Any] | None, digests: Digests) -> None:
    """Write the group, with the `source_of` the store; `digests` takes the digests of its files."""
    about = {name: value for name, value in asdict(data.culture).items() if name not in _LATER}
    cells = {name: _listed(getattr(data.cells, name)) for name in _CELLS}
    about["source"] = source  # in zarr.json too, but that may be what is damaged
    contacts = {item.name: _listed(getattr(data.contacts, item.name)) for item in fields(Contacts)}
    write_group(path, {}, digests)
    for name, values in (("culture", about), ("cells", cells), ("contacts", contacts)):
        text = json.dumps(values, allow_nan=False).encode()
        write_array(path / name, np.frombuffer(text, np.uint8), ("byte",), digests)


def read_rows(store: Location, traces: FloatArray, **later: Any) -> CultureData | None:
    """What `write_rows` wrote, with the store's traces; None for a store of version 0.2 or before.

    Parameters
    ----------
    store
        The store's folder.
    traces
        (n, T), normalised, of the store.
    later
        `movie`, `movie_digest` and `created` of the culture.

    Raises
    ------
    OSError, RuntimeError, ValueError, KeyError, TypeError
        It is damaged.
    """
    path = store / ROWS
    if not path.is_dir():
        return None
    about, cells, contacts = (
        json.loads(read_array(path / name).tobytes()) for name in ("culture", "cells", "contacts")
    )
    del about["source"]
    about |= {name: tuple(about[name]) for name in ("warnings", "doubts")}
    about |= {"time_s": None if about["time_s"] is None else tuple(about["time_s"])}
    return CultureData(
        Culture(**about, **later),
        Cells(
            labels=np.array(cells["labels"], np.int64),
            area_px=_floats(cells["area_px"]),
            x_px=_floats(cells["x_px"]),
            y_px=_floats(cells["y_px"]),
            border=np.array(cells["border"], np.bool_),
            polygons=tuple(cells["polygons"]),
            flags=tuple(cells["flags"]),
            open_px=None if cells["open_px"] is None else _floats(cells["open_px"]),
            intensity=traces,
        ),
        Contacts(
            label_a=np.array(contacts["label_a"], np.int64),
            label_b=np.array(contacts["label_b"], np.int64),
            shared_border_px=_floats(contacts["shared_border_px"]),
            centroid_distance_px=_floats(contacts["centroid_distance_px"]),
        ),
    )


def _listed(values: Any) -> Any:
    """A column as JSON has it: numbers that are not known are null."""
    if not isinstance(values, np.ndarray):
        return values
    if values.dtype.kind != "f":
        return values.tolist()
    return [None if np.isnan(value) else value for value in values.tolist()]


def _floats(values: list[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def sources(store: Location) -> Iterator[dict[str, Any]]:
    """What a store says it was made of, in its two places, as far as they can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        yield dict(read_json(store / "zarr.json")["attributes"]["calcigraph"]["source"])
    with suppress(OSError, RuntimeError, ValueError, KeyError, TypeError):
        yield dict(json.loads(read_array(store / ROWS / "culture").tobytes())["source"])


def source_of(movie: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What an ingest was given, as a store keeps it: with absolute paths, so that it can be done again."""
    masks = options.get("masks")
    return {"movie": _absolute(movie), "options": {**options, "masks": None if masks is None else _absolute(masks)}}


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).absolute())
