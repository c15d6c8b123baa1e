"""Units of length and time as microscope files spell them."""

from __future__ import annotations

import math

# A factor per unit, by its plain spelling (`_plain`).
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "us": 1e-6,
    "microsecond": 1e-6,
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hrs": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_MICROMETRES = {
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "pm": 1e-6,
    "picometer": 1e-6,
    "a": 1e-4,
    "angstrom": 1e-4,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
}


def seconds(value: object, unit: object) -> float | None:
    """A time in seconds.

    Parameters
    ----------
    value
        A number, or a text that can be read as one.
    unit
        In any spelling of microscope files, such as "sec" or "Minutes".

    Returns
    -------
    None if the value is no positive number or the unit is not known.

    Examples
    --------
    >>> seconds(500, "ms"), seconds("2", "Minutes"), seconds(10, "frames")
    (0.5, 120.0, None)
    """
    return _convert(value, unit, _SECONDS)


def micrometres(value: object, unit: object) -> float | None:
    """A length in micrometres; parameters and returns as for `seconds`.

    >>> micrometres(650, "nm"), micrometres(0.65, "µm"), micrometres(1, "pixel")
    (0.65, 0.65, None)
    """
    return _convert(value, unit, _MICROMETRES)


def _convert(value: object, unit: object, table: dict[str, float]) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    factor = table.get(_plain(str(unit)))
    if factor is None or not math.isfinite(number) or number <= 0:
        return None
    return number * factor


def _plain(unit: str) -> str:
    """Lower case, singular, with the several micro and angstrom signs written as letters."""
    unit = unit.strip().replace("\\u00B5", "u").replace("\N{MICRO SIGN}", "u")
    unit = unit.replace("\N{GREEK SMALL LETTER MU}", "u").replace("\N{LATIN CAPITAL LETTER A WITH RING ABOVE}", "a")
    unit = unit.replace("\N{ANGSTROM SIGN}", "a").lower()
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") else unit
