"""A culture in memory for Python's own tools: cells as GeoDataFrame, traces as xarray.DataArray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calcigraph.export.collected import Collected
from calcigraph.export.extra import exchange
from calcigraph.export.maps import shapes
from calcigraph.store.types import Subgraph

if TYPE_CHECKING:
    import geopandas
    import xarray


def cells_frame(found: Collected) -> geopandas.GeoDataFrame:
    """One row per cell, indexed by label, with all that is known of it.

    Parameters
    ----------
    found
        The culture.

    Returns
    -------
    The geometry is the outline, or the centroid where there is none, in px, y down, as in the movie. `attrs` has the
    `culture`, and `units` and `meanings` of the columns.

    Raises
    ------
    MissingExtraError
        geopandas is not installed.
    """
    module = exchange("geopandas", "Workspace.cells")
    table = found.attributes
    frame: geopandas.GeoDataFrame = module.GeoDataFrame(table.frame, geometry=shapes(found, up=False))
    frame = frame.set_index("label", drop=False).rename_axis(None)
    frame.attrs = {
        "culture": found.culture.uid,
        "units": {column.name: column.unit for column in table.columns},
        "meanings": {column.name: column.meaning for column in table.columns},
    }
    return frame


def traces_array(graph: Subgraph) -> xarray.DataArray:
    """The traces with their coordinates and units.

    Parameters
    ----------
    graph
        The culture, n cells and T frames.

    Returns
    -------
    (n, T), dimensions `label` and `time_s`, in the normalised units of eq. 23. `x_px`, `y_px` and `border` are
    coordinates along `label`, `frame` is one along `time_s`. `attrs` has units, culture and frame interval.

    Raises
    ------
    MissingExtraError
        xarray is not installed.
    """
    module = exchange("xarray", "Workspace.traces")
    px = {"units": "px"}
    array: xarray.DataArray = module.DataArray(
        graph.intensity,
        dims=("label", "time_s"),
        coords={
            "label": ("label", graph.labels, {"long_name": "label of the cell's mask"}),
            "time_s": ("time_s", graph.frame_times, {"units": "s", "long_name": "time from the first frame"}),
            "frame": ("time_s", list(range(graph.intensity.shape[1])), {"long_name": "number of the frame, from 0"}),
            "x_px": ("label", graph.x_px, px | {"long_name": "column of the centroid"}),
            "y_px": ("label", graph.y_px, px | {"long_name": "row of the centroid"}),
            "border": ("label", graph.border, {"long_name": "whether neighbours may be missing"}),
        },
        name="intensity",
        attrs={
            "units": "1",
            "long_name": "normalised intensity (arXiv:2505.20327, eq. 23)",
            "culture": graph.culture,
            "frame_interval_s": graph.frame_interval_s,
        },
    )
    return array
