"""What a culture's node says of the movement of its tissue, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def registration_line(facts: Mapping[str, Any]) -> str:
    """`Culture.registration` in one line.

    Examples
    --------
    >>> registration_line({"x_px": [0, 3, 4], "largest_px": 5.0, "moved": 2, "lost": 0, "degrees": [0, 0.1, -0.2]})
    'largest shift 5.0 px, largest turn 0.20 degrees; 2 of 3 frames moved by more than 0.5 px'
    """
    turned = f", largest turn {max(map(abs, facts['degrees'])):.2f} degrees" if "degrees" in facts else ""
    moved = f"{facts['moved']} of {len(facts['x_px'])} frames moved by more than 0.5 px"
    lost = (
        f"; {facts['lost']} show nothing in common with the others, and stay with those before" if facts["lost"] else ""
    )
    return f"largest shift {facts['largest_px']:.1f} px{turned}; {moved}{lost}"
