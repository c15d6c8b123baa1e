"""How a culture, a fit and a list of cultures show themselves: one line in a terminal, a small table in Jupyter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from calcigraph.store.sentence import fit_said, three
from calcigraph.store.tissue import tissue_line
from calcigraph.store.units import unit_of_k

Fact = tuple[str, str]
"""What a row is of, and what it says."""
LEFT = ' style="text-align: left"'
"""Notebooks align tables to the right, which suits no words."""


class ShownCulture:
    """A `Culture` as one line and as a small table."""

    def __repr__(self: Any) -> str:
        what = ", ".join(each for each in (self.condition, f"{self.frames} frames") if each)
        return f"<Culture {self.uid}: {what}{'' if self.complete else ', not complete'}>"

    def _repr_html_(self: Any) -> str:
        return facts_html(f"culture {self.uid}", culture_facts(self))


class ShownFit:
    """A `Fit` as one line and as a small table."""

    def __repr__(self: Any) -> str:
        k = "coupling is not told" if self.k is None else f"k {self.k:.4g} /s"
        return f"<Fit {self.run}: {k}, {self.identified or 'not judged'}, {len(self.labels)} cells>"

    def _repr_html_(self: Any) -> str:
        return facts_html(f"{self.culture}: {fit_said(self)}", fit_facts(self))


def culture_facts(culture: Any) -> list[Fact]:
    """What a `Culture` is, row by row; what is not known is left out."""
    tissue: Mapping[str, Any] = culture.tissue
    size = None if culture.width_px is None else f"{culture.width_px} x {culture.height_px} px"
    pixel = None if culture.pixel_size_um is None else f"{three(culture.pixel_size_um)} um"
    uneven = "" if culture.time_s is None else ", uneven"
    found: list[tuple[str, Any]] = [
        ("experiment", culture.experiment),
        ("condition", culture.condition),
        *sorted(culture.annotations.items()),
        ("cells", tissue_line(tissue) if tissue else None),
        ("frames", f"{culture.frames}, one every {three(culture.frame_interval_s)} s{uneven}"),
        ("image", size),
        ("pixel", pixel),
        ("masks", culture.masks),
        ("ingested", f"{culture.created[:10]} by calcigraph {culture.version}" if culture.created else None),
        ("state", None if culture.complete else "not complete: run its ingest again"),
        *(("warning", each) for each in culture.warnings),
    ]
    return [(name, str(value)) for name, value in found if value is not None]


def fit_facts(fit: Any) -> list[Fact]:
    """The values of a `Fit` with their units, row by row; what is not known is left out."""
    null = "neighbours against chance"
    found: list[tuple[str, str | None]] = [
        ("model", f"{fit.model}, case {fit.case}"),
        ("k (coupling)", _value(fit.k, fit.k_low, fit.k_high, "/s")),
        ("unit of k", None if fit.k is None else f"a contact of the {unit_of_k(fit.settings, fit.facts)}"),
        ("feed", _value(fit.feed, fit.feed_low, fit.feed_high, "of the normalised intensity /s")),
        ("error without own activity", None if fit.mse_train is None else f"{three(fit.mse_train)} (mean square)"),
        ("in frames not fitted", None if fit.mse_test is None else f"{three(fit.mse_test)} (mean square)"),
        (f"{null}: changes", None if fit.null_k_p is None else f"p {fit.null_k_p:.2g}"),
        (f"{null}: synchrony", None if fit.null_sync_p is None else f"p {fit.null_sync_p:.2g}"),
        *(("doubt", each) for each in fit.why),
        *(("note", each) for each in fit.advice if each not in fit.why),  # doubts are advice too
    ]
    return [(name, value) for name, value in found if value is not None]


def facts_html(caption: str, facts: Iterable[Fact]) -> str:
    """Facts as a table of two columns, every text escaped.

    >>> facts_html("a < b", [("dose", "1 & 2")])[-94:]
    '<th style="text-align: left">dose</th><td style="text-align: left">1 &amp; 2</td></tr></table>'
    """
    rows = "".join(f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>" for name, value in facts)
    return f"<table><caption{LEFT}>{escape(caption)}</caption>{rows}</table>"


def rows_html(caption: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Records as a table, None as an empty cell, every text escaped."""
    head = "".join(f"<th{LEFT}>{escape(name)}</th>" for name in columns)
    lines = ["".join(f"<td{LEFT}>{_cell(row.get(name))}</td>" for name in columns) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption{LEFT}>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    return "" if value is None else escape(str(value))


def _value(value: float | None, low: float | None, high: float | None, unit: str) -> str | None:
    if value is None:
        return None
    interval = "" if low is None or high is None else f" (95 % {three(low)} to {three(high)})"
    return f"{three(value)} {unit}{interval}"
