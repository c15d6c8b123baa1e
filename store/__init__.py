"""Storage: the graph of cultures over Bolt, and the OME-Zarr movie beside it (calcigraph.store.movie)."""

from typing import TYPE_CHECKING

from calcigraph.late import late_names

if TYPE_CHECKING:
    from calcigraph.store.endpoint import Endpoint, chosen_heap_mb, open_endpoint
    from calcigraph.store.graph import Graph
    from calcigraph.store.types import (
        Cells,
        Contacts,
        Culture,
        CultureData,
        Fit,
        Masks,
        MovieInfo,
        Normalisation,
        Progress,
        Subgraph,
    )

__all__ = [
    "Cells",
    "Contacts",
    "Culture",
    "CultureData",
    "Endpoint",
    "Fit",
    "Graph",
    "Masks",
    "MovieInfo",
    "Normalisation",
    "Progress",
    "Subgraph",
    "chosen_heap_mb",
    "open_endpoint",
]

__getattr__ = late_names(
    __name__,
    {
        "endpoint": "Endpoint chosen_heap_mb open_endpoint",
        "graph": "Graph",
        "types": "Cells Contacts Culture CultureData Fit Masks MovieInfo Normalisation Progress Subgraph",
    },
)
