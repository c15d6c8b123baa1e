"""Cells in groups, two of which are worked on at a time."""

from __future__ import annotations

GROUP = 5000
"""Cells that are worked on together, at most."""
SMALLEST = 100
"""Fewer cells are not shared among workers."""
WORKERS = 2


def groups(cells: int, most: int | None = None) -> list[slice]:
    """As many groups as there are workers, or more where those had more than `most` cells; of no cells, an empty one.

    >>> groups(250)
    [slice(0, 125, None), slice(125, 250, None)]
    """
    number = max(WORKERS * -(-cells // (WORKERS * (most or GROUP))), 1)
    size = max(-(-cells // number), SMALLEST)
    return [slice(first, min(first + size, cells)) for first in range(0, cells, size)] or [slice(0, 0)]
