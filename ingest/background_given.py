"""What `--background` says: how the light that is no cell's is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calcigraph.errors import InputError

AUTO = "auto"
EXPECTED = "expected auto, a percentile such as 5%, a number of counts, or a mask file"


@dataclass(frozen=True)
class BackgroundChoice:
    """One of the fields is set; none of them stands for auto."""

    counts: float | None = None
    """Taken off every pixel of every frame."""
    percentile: float | None = None
    """Of the pixels without cells, in each frame."""
    mask: str | None = None
    """File of a mask of pixels without cells; their median in each frame counts."""

    @property
    def named(self) -> str:
        """The same text for the same choice."""
        if self.percentile is not None:
            return f"{self.percentile:g}%"
        return self.mask or (AUTO if self.counts is None else repr(self.counts))


def background_choice(given: str | float) -> BackgroundChoice:
    """What the option's value stands for. A word that is no number, percentile or auto is the name of a file.

    Raises InputError for a number that cannot be.

    Examples
    --------
    >>> background_choice("auto"), background_choice("100").counts, background_choice("5%").percentile
    (BackgroundChoice(counts=None, percentile=None, mask=None), 100.0, 5.0)
    >>> background_choice("empty.tif").mask
    'empty.tif'
    """
    text = str(given).strip()
    if text.lower() == AUTO:
        return BackgroundChoice()
    number = _number(text.removesuffix("%"))
    if number is None and text and not text.endswith("%") and not isinstance(given, bool):
        return BackgroundChoice(mask=text)
    if number is None or not math.isfinite(number) or (text.endswith("%") and not 0 <= number <= 100):
        raise InputError(f"--background {given}: {EXPECTED}")
    return BackgroundChoice(percentile=number) if text.endswith("%") else BackgroundChoice(counts=number)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
