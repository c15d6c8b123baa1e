"""Synthetic movies as files: the movie, its labels and masks as TIFF, its ground truth as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from calcigraph.errors import InputError
from calcigraph.models import SyntheticOptions, make_culture, movie_frames, truth
from calcigraph.store.files import require_place
from calcigraph.store.tiff import write_labels, write_movie, write_text
from calcigraph.store.types import Progress


def write_simulation(out: str, options: SyntheticOptions, progress: Progress) -> dict[str, Any]:
    """Simulate a culture and write OUT.tif, OUT_labels.tif, OUT_truth.json and, if asked for mistakes, OUT_masks.tif.

    Parameters
    ----------
    out
        The movie's name, OUT.tif or OUT.tiff, in a folder that exists.
    options
        What the culture is made of.
    progress
        Told of the frames written.

    Returns
    -------
    dict
        The ground truth, as in OUT_truth.json; `calcigraph.models.truth` explains it.

    Raises
    ------
    InputError
        `out` is not a TIFF name, its folder does not exist, or no culture has these options.
    WorkspaceError
        A file cannot be written.
    """
    path = _tiff_path(out)
    culture = make_culture(options)
    height, width = culture.labels.shape
    frames = _counted(movie_frames(culture), options.frames, progress)
    write_movie(path, frames, (options.frames, height, width), frame_interval_s=options.frame_interval_s)
    write_labels(path.with_name(f"{path.stem}_labels.tif"), culture.labels)
    if options.spoils_masks:
        write_labels(path.with_name(f"{path.stem}_masks.tif"), culture.masks)
    known = truth(culture)
    write_text(path.with_name(f"{path.stem}_truth.json"), json.dumps(known, indent=1))
    return known


def _tiff_path(out: str) -> Path:
    path = Path(out)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"{out} is not a TIFF name: give OUT.tif (OUT_labels.tif and OUT_truth.json go beside it)")
    require_place(path)
    return path


def _counted(frames: Iterable[Any], total: int, progress: Progress) -> Iterator[Any]:
    """The frames as they come; each is reported once it has been used."""
    for done, frame in enumerate(frames, start=1):
        yield frame
        progress("simulate", done, total)
