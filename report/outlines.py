"""The cells of a map as rings of corners, and what of the plane it shows.

Coordinates are pixels from the picture's upper left corner, y down; a centroid (x_px, y_px), which is a pixel's
centre, is at (x_px + 0.5, y_px + 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.errors import InputError
from calcigraph.pictures.canvas import disc_radius
from calcigraph.pictures.data import PictureData
from calcigraph.report.encode import Packed, packed
from calcigraph.store.types import FloatArray, IntArray

CORNERS = 24
"""Of the disc that stands for a cell without outline."""


@dataclass(frozen=True)
class Outlines:
    """All rings of all cells, one after the other. A point is inside a cell if it is inside an odd number of rings."""

    x: FloatArray
    """(p,), corners; the last of a ring is its first."""
    y: FloatArray
    lengths: IntArray
    """(r,), corners of each ring."""
    cell: IntArray
    """(r,), the place of its cell, ascending."""

    def packed(self) -> dict[str, Packed]:
        """For the page's script."""
        whole = all(np.array_equal(part, np.rint(part)) and np.abs(part).max(initial=0) < 32768 for part in self.xy)
        kind = "i2" if whole else "f4"
        x, y = self.xy
        return {
            "x": packed(x, kind),
            "y": packed(y, kind),
            "lengths": packed(self.lengths, "i4"),
            "cell": packed(self.cell, "i4"),
        }

    @property
    def xy(self) -> tuple[FloatArray, FloatArray]:
        return self.x, self.y


def outlines_of(data: PictureData) -> Outlines:
    """The outlines of a culture's cells; a disc where a cell has none.

    Raises InputError for a text that is not the WKT of a polygon.
    """
    import shapely

    graph = data.subgraph
    texts = np.array(data.polygons or (None,) * len(graph.labels), dtype=object)
    try:
        shapes: Any = shapely.from_wkt(texts)
    except shapely.errors.GEOSException as error:
        raise InputError(f"a polygon of culture {data.culture!r} is not WKT: {error}") from error
    bare = np.array([shape is None or shape.is_empty for shape in shapes])
    if bare.any():
        middles = shapely.points(graph.x_px[bare] + 0.5, graph.y_px[bare] + 0.5)
        shapes[bare] = shapely.buffer(middles, disc_radius(data), quad_segs=CORNERS // 4)
    parts, of_cell = shapely.get_parts(shapes, return_index=True)
    rings, of_part = shapely.get_rings(parts, return_index=True)
    corners = shapely.get_coordinates(rings)
    return Outlines(
        x=corners[:, 0],
        y=corners[:, 1],
        lengths=np.asarray(shapely.get_num_coordinates(rings), dtype=np.int64),
        cell=np.asarray(of_cell[of_part], dtype=np.int64),
    )


def extent(data: PictureData, outlines: Outlines) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the map: the picture's, or of the cells with a margin where there is none."""
    if data.height_px and data.width_px and not data.from_traces:
        return 0.0, 0.0, float(data.width_px), float(data.height_px)
    margin = 0.5 * disc_radius(data)
    left, top = outlines.x.min() - margin, outlines.y.min() - margin
    right, bottom = outlines.x.max() + margin, outlines.y.max() + margin
    # Cells in a row or in a column: the short side is at least a quarter of the long one.
    extra_y = max(0.0, 0.25 * (right - left) - (bottom - top)) / 2
    extra_x = max(0.0, 0.25 * (bottom - top) - (right - left)) / 2
    return float(left - extra_x), float(top - extra_y), float(right + extra_x), float(bottom + extra_y)
