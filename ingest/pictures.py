"""Which picture of a movie shows its cells best: the mean over time, or the maximum where the mean does not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calcigraph.errors import InputError
from calcigraph.ingest.cell_sizes import Likeness, likeness
from calcigraph.store.types import FloatArray, Masks, Progress, silent

AUTOMATIC = ("mean", "max")
"""What `--segment-on auto` tries, in this order."""
BETTER = 0.05
"""Difference of the score by which another picture must be better than the first."""
_NAMES = {"mean": "mean over time", "max": "maximum over time"}


@dataclass(frozen=True)
class Segmented:
    """Masks, and the picture that they were found in; made by `segment_pictures`."""

    masks: Masks
    picture: str
    """"mean", "max" or the number of a frame."""
    warnings: tuple[str, ...]
    """For the user: whether cells were looked for in more than one picture, and what was seen there."""


def segment_pictures(
    pictures: Mapping[str, FloatArray], model: str | None = None, progress: Progress = silent
) -> Segmented:
    """Find the cells in the first picture, and in the next ones where those of the first are improbable.

    Cells are improbable where they cover less than half of the picture, or where their sizes are (`likeness`). Another
    picture is taken only if cells of like sizes cover more of it, by 5 % of the picture at least.

    Parameters
    ----------
    pictures
        (Y, X) each, by name; the first is preferred.
    model, progress
        As for `find_cells`.

    Raises
    ------
    InputError
        No cells are found in any picture.
    NotFoundError, MissingExtraError
        As `find_cells`.
    """
    from calcigraph.ingest.segment import find_cells

    tried: dict[str, tuple[Masks, Likeness]] = {}
    refusal: InputError | None = None
    for name, picture in pictures.items():
        try:
            masks = find_cells(picture, model, progress)
        except InputError as error:
            refusal = refusal or error
            continue
        tried[name] = masks, likeness(masks.labels)
        if not tried[name][1].improbable:
            break
    if not tried:
        raise refusal or InputError("there is no picture to segment")
    seen = {name: each for name, (_, each) in tried.items()}
    best = _best(seen)
    return Segmented(tried[best][0], best, _warnings(best, next(iter(pictures)), seen))


def _best(seen: Mapping[str, Likeness]) -> str:
    """The first, unless another one is clearly better."""
    first = next(iter(seen))
    best = max(seen, key=lambda name: seen[name].score)
    return best if seen[best].score > seen[first].score + BETTER else first


def _warnings(best: str, first: str, seen: Mapping[str, Likeness]) -> tuple[str, ...]:
    if best == first:
        return ()
    there = seen[first].words if first in seen else "no cells"
    return (
        f"segmentation: the {_NAMES.get(first, first)} shows {there}; cells are taken from the "
        f"{_NAMES.get(best, best)}, with {seen[best].words}; --segment-on {first} takes the first",
    )
