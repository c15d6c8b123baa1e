"""What a culture's node says of light that is not the cells' own, in words and as a number for the models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def light_line(facts: Mapping[str, Any]) -> str:
    """`Culture.light` in one line.

    Examples
    --------
    >>> light_line({"trace_inset": 8, "neighbours": 0.0021, "reach_px": 8.5, "flicker": 0.0004,
    ...     "background": 102.0, "background_share": 0.081})
    '0.2 % from neighbours (traces from 8 px inside the cells); background 102 counts, 8 % of the light in cells; lamp \
flickers by less than 0.1 %'
    """
    if "neighbours" in facts:
        where = f"{100 * facts['neighbours']:.1f} % from neighbours"
    else:
        where = "from neighbours: not known"
    parts = [f"{where} (traces from {facts['trace_inset']} px inside the cells)"]
    if "background" in facts:
        share = 100 * facts["background_share"]
        parts.append(f"background {facts['background']:.4g} counts, {share:.0f} % of the light in cells")
    if "background_off" in facts:
        parts.append(_taken_off(facts))
    flicker = 100 * facts["flicker"]
    parts.append(f"lamp flickers by {f'{flicker:.1f} %' if flicker >= 0.1 else 'less than 0.1 %'}")
    return "; ".join(parts)


def _taken_off(facts: Mapping[str, Any]) -> str:
    """
    >>> _taken_off({"background_off": 400.0, "background_from": "percentile 5", "background_off_low": 398.0,
    ...     "background_off_high": 405.0})
    '400 counts taken off (percentile 5; 398 to 405 by frame)'
    """
    low, high = facts.get("background_off_low"), facts.get("background_off_high")
    spread = "" if low is None else f"; {low:.4g} to {high:.4g} by frame"
    return f"{facts['background_off']:.6g} counts taken off ({facts['background_from']}{spread})"


def neighbours_share(facts: Mapping[str, Any]) -> float:
    """The share of the light in the traces that is the neighbours'; 0 where it is not known.

    >>> neighbours_share({"neighbours": 0.02}), neighbours_share({})
    (0.02, 0.0)
    """
    return float(facts.get("neighbours", 0.0))
