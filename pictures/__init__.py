"""Pictures of a culture: its frames, cells, graph, traces and fits, as in the figures of arXiv:2505.20327."""

from typing import TYPE_CHECKING, Any

from calcigraph.pictures.kinds import KINDS

if TYPE_CHECKING:
    from calcigraph.pictures.data import PictureData
    from calcigraph.pictures.figure import figure_of
    from calcigraph.pictures.pull import picture_data
    from calcigraph.pictures.render import draw

__all__ = ["KINDS", "PictureData", "draw", "figure_of", "picture_data"]

_LATE = {"PictureData": "data", "picture_data": "pull", "draw": "render", "figure_of": "figure"}
"""Imported when first asked for: the help of `calcigraph picture` needs the kinds alone."""


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'calcigraph.pictures' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"calcigraph.pictures.{_LATE[name]}"), name)
