"""Where everything in a report comes from: recordings, checksums, options, versions, and how to cite it."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from calcigraph.report.culture import ReportCulture
from calcigraph.version import __version__

if TYPE_CHECKING:
    from calcigraph.store import Graph

CITATION = (
    ("The calcigraph contributors. calcigraph", ""),
    (
        "Poggi A., D'Inverno G. A., Brismar H., Öktem O., Barreau M., Morozovska K. (2025). Data-driven multi-agent "
        "modelling of calcium interactions in cell culture: PINN vs Regularized Least-squares. arXiv:2505.20327",
        "https://arxiv.org/abs/2505.20327",
    ),
)
"""As in CITATION.cff: the text, and an address."""


def citations() -> list[tuple[str, str]]:
    """What to cite: texts, and an address where there is one."""
    (software, _), *others = CITATION
    return [(f"{software} {__version__}", ""), *others]


def of_recording(culture: ReportCulture) -> list[tuple[str, str]]:
    """Rows of item and value about the recording and its ingest."""
    about = culture.about
    length, unit = (about.pixel_size_um, "µm") if about.pixel_size_um else (None, "")
    size = f"{about.width_px} × {about.height_px} px" if about.width_px and about.height_px else "unknown"
    rows = [
        ("experiment", about.experiment),
        ("condition", about.condition),
        *((str(name), value) for name, value in sorted(about.annotations.items())),
        ("frames", f"{about.frames}, one every {about.frame_interval_s:g} s{' (uneven)' if about.time_s else ''}"),
        ("picture", size),
        ("pixel size", f"{length:g} {unit}" if length else "not known: lengths are in px"),
        ("movie store", about.movie or "none: the culture came as traces"),
        ("masks", about.masks),
        ("checksum of the input", about.input_digest),
        ("options of the ingest", _options(about.options)),
        ("ingested", f"{_when(about.created)}, calcigraph {about.version}"),
    ]
    return [(item, str(value)) for item, value in rows if value is not None]


def of_results(culture: ReportCulture) -> list[tuple[str, str]]:
    """Rows of item and value about the fits, the detection of events and the forecast."""
    rows = []
    for fit in culture.fits:
        rows += [
            (f"fit of {fit.model}", f"{fit.row['run']}, {_when(fit.row['created'])}, calcigraph {fit.row['version']}"),
            (f"options of {fit.model}", _options(fit.settings)),
        ]
    if culture.found is not None:
        rows += [
            ("events", f"{_when(culture.found['created'])}, calcigraph {culture.found['version']}"),
            ("options of events", _options(json.loads(culture.found["settings"]))),
        ]
    if culture.forecast is not None:
        rows += [
            ("forecast", f"{_when(culture.forecast['created'])}, calcigraph {culture.forecast['version']}"),
            ("options of the forecast", _options(json.loads(culture.forecast["settings"]))),
            ("learnt from", ", ".join(culture.forecast["trained_on"] or ()) or "this culture alone"),
        ]
    return rows


def of_report(graph: Graph, created: str) -> list[tuple[str, str]]:
    """Rows of item and value about the report itself."""
    import bokeh

    return [
        ("written", _when(created)),
        ("calcigraph", __version__),
        ("graph", f"{graph.engine} {graph.version}, schema {graph.schema_version}"),
        ("Python", platform.python_version()),
        ("Bokeh, which draws", bokeh.__version__),
    ]


def _when(stamp: str) -> str:
    """A moment as one reads it.

    >>> _when("2026-01-02T03:04:05.678+00:00")
    '2026-01-02 03:04 UTC'
    """
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _options(options: Any) -> str:
    """Such as "case per-cell, ridge 0.001"; what was left open is not listed."""
    known = {name: value for name, value in sorted(dict(options).items()) if value is not None}
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in known.items()
    )
