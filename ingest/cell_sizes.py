"""How much cells found in a picture look like those of a tissue: whether their sizes agree, and what they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.store.types import FloatArray, LabelImage

UNLIKE = 4.0
"""Times the median area, or under the median by as much: a cell of that area is unlike the others."""
MANY_UNLIKE = 0.1
"""Share of unlike cells from which the sizes are improbable; 0 to 3 % in labelled epithelia."""
WIDE_SPREAD = 0.7
"""Spread of the sizes from which they are improbable; 0.1 to 0.45 in labelled epithelia."""
FEWEST_CELLS = 10
"""Cells from which sizes are judged."""
MOSTLY_EMPTY = 0.5
"""Share of the picture within cells, below which another picture may show more of them."""
CONSISTENT = 1.4826
"""Times the median absolute deviation this is the standard deviation of normal values."""


@dataclass(frozen=True)
class Sizes:
    """How the areas of n cells agree; made by `sizes`."""

    cells: int
    """n."""
    median_px: float
    """Median area, px; 0 without cells."""
    spread: float
    """Standard deviation of the logarithm of the area, from the median absolute deviation; 0 without cells."""
    unlike: int
    """Cells of more than `UNLIKE` times the median area, or less than its `UNLIKE`-th part."""

    @property
    def improbable(self) -> bool:
        """Whether a tissue hardly has cells of such sizes."""
        many = self.unlike > MANY_UNLIKE * self.cells
        return self.cells >= FEWEST_CELLS and (many or self.spread > WIDE_SPREAD)


def sizes(area_px: FloatArray) -> Sizes:
    """Compare areas with their median.

    With l = ln(area / median), the spread is 1.4826 median |l|, and a cell is unlike where |l| > ln 4.

    Parameters
    ----------
    area_px
        (n,), px; of whole cells, because those at the edge of the picture are cut.

    Examples
    --------
    >>> found = sizes(np.array([100.0] * 17 + [20, 450, 500]))
    >>> found.unlike, found.improbable
    (3, True)
    """
    if not len(area_px):
        return Sizes(cells=0, median_px=0.0, spread=0.0, unlike=0)
    median = float(np.median(area_px))
    logs = np.abs(np.log(area_px / median))
    return Sizes(
        cells=len(area_px),
        median_px=median,
        spread=CONSISTENT * float(np.median(logs)),
        unlike=int((logs > np.log(UNLIKE)).sum()),
    )


@dataclass(frozen=True)
class Likeness:
    """What is seen of a label image before its cells are looked for; made by `likeness`."""

    sizes: Sizes
    covered: float
    """Share of the picture within cells."""

    @property
    def improbable(self) -> bool:
        """Whether another picture of the same movie may show the cells better."""
        return self.covered < MOSTLY_EMPTY or self.sizes.improbable

    @property
    def score(self) -> float:
        """Share of the picture within cells whose size is like that of the others, about."""
        return self.covered * (1 - self.sizes.unlike / max(self.sizes.cells, 1))

    @property
    def words(self) -> str:
        """For the user."""
        whole = self.sizes
        return f"{whole.cells} whole cells, {whole.unlike} of them of an unlike size, on {self.covered:.0%} of it"


def likeness(labels: LabelImage) -> Likeness:
    """Measure the cells of a label image, (Y, X), 0 outside cells.

    Examples
    --------
    >>> labels = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((8, 8), int))
    >>> found = likeness(labels)
    >>> found.sizes.cells, found.covered, found.improbable
    (9, 1.0, False)
    """
    areas = np.bincount(labels.ravel()).astype(np.float64)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    areas[0] = areas[np.unique(edge)] = 0
    return Likeness(sizes(areas[areas > 0]), float((labels > 0).mean()))
