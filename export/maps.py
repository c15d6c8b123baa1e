"""Maps for QGIS and other geographic programs: the outlines of the cells with all that is known of them.

The coordinates are those of the picture, with y turned up: x_px and -y_px. So maps look like the movie, and a picture
without coordinates of its own, which these programs lay at (0, 0) downwards, lies exactly under the cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calcigraph.export.collected import Collected
from calcigraph.export.extra import exchange
from calcigraph.export.provenance import about
from calcigraph.queries import records

if TYPE_CHECKING:
    import pandas
    from shapely.geometry.base import BaseGeometry

CRS = 'LOCAL_CS["pixels of the picture, y up",UNIT["pixel",1]]'
"""Says that this is no place on the Earth. GeoJSON of RFC 7946 means degrees unless a file says otherwise."""


CONTACTS = "_contacts"
"""Ends the name of the file beside, with the contacts: programs for maps want one kind of shape in a layer."""


def write_geojson(found: Collected, path: Path) -> None:
    """Write a GeoJSON file, one feature per cell, a cell at a time."""
    _write_features(found, path, found.culture.uid, features(found))


def write_contact_geojson(found: Collected, path: Path) -> None:
    """Write a GeoJSON file, one line per contact, from centroid to centroid."""
    _write_features(found, path, f"{found.culture.uid}{CONTACTS}", contact_features(found))


def _write_features(found: Collected, path: Path, name: str, each: Iterable[dict[str, Any]]) -> None:
    head = {
        "type": "FeatureCollection",
        "name": name,
        "crs": {"type": "name", "properties": {"name": CRS}},
        "calcigraph": about(found.culture) | {"lengths": "px; coordinates have y up: x_px, -y_px"},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False, allow_nan=False)[:-1] + ', "features": [')
        for number, feature in enumerate(each):
            file.write((",\n" if number else "\n") + json.dumps(feature, ensure_ascii=False, allow_nan=False))
        file.write("\n]}\n")


def features(found: Collected) -> Iterator[dict[str, Any]]:
    """One GeoJSON feature per cell: its outline, or a point where the culture has none."""
    from shapely.geometry import mapping

    for row, shape in zip(records(found.attributes.frame), shapes(found), strict=True):
        yield {"type": "Feature", "id": row["label"], "geometry": mapping(shape), "properties": row}


def contact_features(found: Collected) -> Iterator[dict[str, Any]]:
    """One GeoJSON feature per contact: the line between the centroids, with all that is known of the contact."""
    from shapely.geometry import mapping

    rows = records(found.tables["contacts"].frame)
    for number, (row, line) in enumerate(zip(rows, contact_lines(found), strict=True)):
        yield {"type": "Feature", "id": number, "geometry": mapping(line), "properties": row}


def contact_lines(found: Collected) -> list[BaseGeometry]:
    """The lines between the centroids of cells in contact, y up, in the order of the table of contacts."""
    from shapely import linestrings

    table, places = found.tables["contacts"].frame, found.cells.set_index("label")[["x_px", "y_px"]]
    if not len(table):
        return []
    ends = [places.loc[table[side]].to_numpy() * (1.0, -1.0) for side in ("label_a", "label_b")]
    return list(linestrings(np.stack(ends, axis=1)))


def shapes(found: Collected, up: bool = True) -> list[BaseGeometry]:
    """The cells' outlines, or points where there are none.

    Parameters
    ----------
    found
        The culture.
    up
        Whether y points up, as in maps; else down, as in pictures.
    """
    from shapely import from_wkt
    from shapely.affinity import scale
    from shapely.geometry import Point, Polygon
    from shapely.geometry.polygon import orient

    cells = found.cells
    outlines = found.tables["outlines"].frame["polygon"].tolist() if "outlines" in found.tables else [None] * len(cells)
    shaped: list[BaseGeometry] = []
    for polygon, x, y in zip(outlines, cells["x_px"].tolist(), cells["y_px"].tolist(), strict=True):
        shape = Point(x, y) if not isinstance(polygon, str) else from_wkt(polygon)
        turned = scale(shape, yfact=-1, origin=(0, 0)) if up else shape
        # Outer rings run against the clock, as RFC 7946 asks.
        shaped.append(orient(turned) if isinstance(turned, Polygon) else turned)
    return shaped


def write_geoparquet(found: Collected, path: Path) -> None:
    """Write a GeoParquet file of the cells. Raises MissingExtraError."""
    _write_parquet(found.attributes.frame, shapes(found), path)


def write_contact_geoparquet(found: Collected, path: Path) -> None:
    """Write a GeoParquet file of the contacts. Raises MissingExtraError."""
    _write_parquet(found.tables["contacts"].frame, contact_lines(found), path)


def _write_parquet(table: pandas.DataFrame, geometry: list[BaseGeometry], path: Path) -> None:
    geopandas = exchange("geopandas", "the format geoparquet")
    geopandas.GeoDataFrame(table, geometry=geometry, crs=CRS).to_parquet(path, index=False)
