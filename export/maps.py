"""Maps for QGIS and other geographic programs: the outlines of the cells with all that is known of them.

The coordinates are those of the picture, with y turned up: x_px and -y_px. So maps look like the movie, and a picture
without coordinates of its own, which these programs lay at (0, 0) downwards, lies exactly under the cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.export.collected import Collected
from calcigraph.export.extra import exchange
from calcigraph.export.provenance import about
from calcigraph.queries import records

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

CRS = 'LOCAL_CS["pixels of the picture, y up",UNIT["pixel",1]]'
"""Says that this is no place on the Earth. GeoJSON of RFC 7946 means degrees unless a file says otherwise."""


def write_geojson(found: Collected, path: Path) -> None:
    """Write a GeoJSON file, one feature per cell, a cell at a time."""
    head = {
        "type": "FeatureCollection",
        "name": found.culture.uid,
        "crs": {"type": "name", "properties": {"name": CRS}},
        "calcigraph": about(found.culture) | {"lengths": "px; coordinates have y up: x_px, -y_px"},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False, allow_nan=False)[:-1] + ', "features": [')
        for number, feature in enumerate(features(found)):
            file.write((",\n" if number else "\n") + json.dumps(feature, ensure_ascii=False, allow_nan=False))
        file.write("\n]}\n")


def features(found: Collected) -> Iterator[dict[str, Any]]:
    """One GeoJSON feature per cell: its outline, or a point where the culture has none."""
    from shapely.geometry import mapping

    for row, shape in zip(records(found.attributes.frame), shapes(found), strict=True):
        yield {"type": "Feature", "id": row["label"], "geometry": mapping(shape), "properties": row}


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
    """Write a GeoParquet file. Raises MissingExtraError."""
    geopandas = exchange("geopandas", "the format geoparquet")
    geopandas.GeoDataFrame(found.attributes.frame, geometry=shapes(found), crs=CRS).to_parquet(path, index=False)
