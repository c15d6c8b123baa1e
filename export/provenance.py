"""What a culture is and where it comes from, as JSON: in every export, in a form that its format can hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from calcigraph.store.types import Culture
from calcigraph.version import __version__


def about(culture: Culture) -> dict[str, Any]:
    """Metadata, annotations and provenance of a culture, JSON-able; what is not known is null.

    Parameters
    ----------
    culture
        As `Workspace.culture` gives it.
    """
    values = {item.name: getattr(culture, item.name) for item in fields(Culture) if item.name != "complete"}
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    values = {name: dict(value) if hasattr(value, "items") else value for name, value in values.items()}
    return {
        "culture": values.pop("uid"),
        **values,
        "lengths": "px, y down",
        "intensity": "(log(light + 1) - intensity_offset) intensity_gain (arXiv:2505.20327, eq. 23)",
        "exported_by": f"calcigraph {__version__}",
    }
