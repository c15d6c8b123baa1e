"""The small parts of a movie store: the description of its images, its labels and its traces, as OME-Zarr 0.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calcigraph.store.chunks import Digests, write_array, write_group
from calcigraph.store.types import FloatArray, IntArray, LabelImage


def multiscale(name: str, scale: list[float], pixel_size_um: float | None) -> dict[str, Any]:
    """OME-Zarr's description of one image: axes y and x, with t before them where there are three scales."""
    space = {"type": "space", "unit": "micrometer"} if pixel_size_um is not None else {"type": "space"}
    axes: list[dict[str, str]] = [{"name": letter, **space} for letter in "yx"]
    if len(scale) == 3:
        axes.insert(0, {"name": "t", "type": "time", "unit": "second"})
    dataset = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
    return {"name": name, "axes": axes, "datasets": [dataset]}


def write_labels(path: Path, labels: LabelImage, scale: list[float], known: bool, digests: Digests) -> None:
    """Write the label image; `known` says whether the scale, um, is; `digests` takes the digests of its files."""
    write_group(path, {"ome": {"version": "0.5", "labels": ["cells"]}}, digests)
    image = {
        "version": "0.5",
        "multiscales": [multiscale("cells", scale, scale[0] if known else None)],
        "image-label": {"source": {"image": "../../"}},
    }
    write_group(path / "cells", {"ome": image}, digests)
    write_array(path / "cells" / "0", labels, ("y", "x"), digests)


def write_traces(
    path: Path,
    cells: IntArray,
    traces: FloatArray,
    denoised: FloatArray,
    logs: FloatArray | None,
    digests: Digests,
) -> None:
    """Write the labels of the cells and their traces; `digests` takes the digests of their files."""
    write_group(path, {}, digests)
    write_array(path / "labels", cells, ("cell",), digests)
    for name, values in (("normalised", traces), ("denoised", denoised), ("logarithm", logs)):
        if values is not None:
            write_array(path / name, values, ("cell", "t"), digests)
