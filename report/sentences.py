"""What a report says in words: the result of a culture first, then what is missing of it."""

from __future__ import annotations

import math
import re

import numpy as np

from calcigraph.errors import command
from calcigraph.models.identify import NOT
from calcigraph.report.culture import ModelFit, ReportCulture
from calcigraph.report.scales import tick_text
from calcigraph.said import three


def headline(culture: ReportCulture) -> str:
    """The result of a culture in one sentence, with a capital and without the full stop.

    Such as "Coupling 0.0110 /s (95 % 0.0109 to 0.0111), identified, 74 cells; 12 waves, 3.1 an hour".
    """
    parts = [_of_fit(culture.best)] if culture.best else [_of_recording(culture)]
    if culture.found is not None:
        parts.append(_of_events(culture))
    if culture.stale:
        parts.append("in part from before its masks were mended")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _of_fit(fit: ModelFit) -> str:
    row, values = fit.row, fit.data.coupling()[0]
    cells = int((np.isfinite(values) | np.isfinite(fit.data.values("mse_train"))).sum())
    ending = counted(cells, "cell") + ("" if fit.model == "robust" else f" ({fit.model})")
    if row["k"] is None:
        return f"coupling cannot be told, {ending}"
    if row["identified"] == NOT:
        return f"coupling not identified: {estimate(row['k'], row['k_low'], row['k_high'], '/s')}, {ending}"
    word = f", {row['identified']}" if row["identified"] else ""
    return f"coupling {estimate(row['k'], row['k_low'], row['k_high'], '/s')}{word}, {ending}"


def _of_recording(culture: ReportCulture) -> str:
    return f"{counted(len(culture.data.subgraph.labels), 'cell')} in {culture.about.frames} frames, not fitted yet"


def _of_events(culture: ReportCulture) -> str:
    found = culture.found
    assert found is not None
    hours = float(found["duration_s"]) / 3600
    count = int(found["waves"])
    if count and hours > 0:
        return f"{counted(count, 'wave')}, {count / hours:.2g} an hour"
    return f"{counted(int(found['events']), 'event')}, no wave"


def missing(culture: ReportCulture) -> list[tuple[str, str]]:
    """What a report of this culture lacks, and the command that adds it ("" for what no command can add)."""
    lacking = []
    if not culture.fits:
        lacking.append(("There is no fit: no coupling, no feed, no model traces.", command("fit", [culture.name])))
    if culture.found is None:
        lacking.append(("Events were not looked for: no event rate, no waves.", command("events", [culture.name])))
    if culture.data.from_traces:
        lacking.append(("The recording has no masks: cells are drawn as discs at their positions.", ""))
    return lacking


def estimate(value: float, low: float | None, high: float | None, unit: str) -> str:
    """A value with its 95 % interval.

    >>> estimate(0.011, 0.0109, 0.0111, "/s"), estimate(0.0123456, None, None, "/s")
    ('0.0110 /s (95 % 0.0109 to 0.0111)', '0.0123 /s')
    """
    text = f"{number(value)} {unit}".rstrip()
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return text
    return f"{text} (95 % {number(low)} to {number(high)})"


def number(value: float) -> str:
    """Three digits, and a power of ten where it is very small or large.

    >>> number(0.0123456), number(-3.0), number(2e-5)
    ('0.0123', '−3.00', '2×10⁻⁵')
    """
    text = three(value)
    return tick_text(float(text)) if "e" in text else text.replace("-", "−")


def raised(text: str) -> str:
    """A sentence with its powers of ten as one writes them.

    >>> raised("p 9.8e-08, from -0.02")
    'p 9.8×10⁻⁸, from −0.02'
    """
    powers = re.sub(r"(?<![\w.-])-?\d+(?:\.\d+)?e[-+]\d+", lambda found: tick_text(float(found[0])), text)
    return re.sub(r"(?<=[\s(])-(?=\d)", "−", powers)


def counted(count: int, what: str) -> str:
    """A count with its noun.

    >>> counted(0, "wave"), counted(1, "wave"), counted(2, "wave")
    ('no wave', '1 wave', '2 waves')
    """
    return f"{count or 'no'} {what}{'s' if count > 1 else ''}"
