"""Pictures of a culture: its frames, cells, graph, traces and fits, as in the figures of arXiv:2505.20327."""

from calcigraph.pictures.data import KINDS, PictureData
from calcigraph.pictures.pull import picture_data
from calcigraph.pictures.render import draw

__all__ = ["KINDS", "PictureData", "draw", "picture_data"]
