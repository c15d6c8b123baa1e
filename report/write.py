"""Write a report: pull the cultures, fill the page, and put it in its place complete or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import InputError, NotFoundError, spelt
from calcigraph.queries import require_culture, rows, unknown_culture
from calcigraph.queries.compare import CONDITION
from calcigraph.report import figures, provenance
from calcigraph.report.comparison import Comparison, compared
from calcigraph.report.culture import ReportCulture, report_culture
from calcigraph.report.lines import lines_of
from calcigraph.report.payload import payload_of
from calcigraph.report.sentences import counted, headline, missing, number
from calcigraph.report.words import GLOSSARY
from calcigraph.store.files import require_place, write_atomically
from calcigraph.store.types import Progress, silent
from calcigraph.version import __version__

if TYPE_CHECKING:
    from markupsafe import Markup

    from calcigraph.store import Graph

SCRIPTS = ("data.js", "map.js", "cell.js", "table.js", "main.js")
"""The page's own script, in this order."""
SUFFIXES = (".html", ".htm")


def write_report(
    graph: Graph,
    cultures: Sequence[str],
    out: str | os.PathLike[str],
    *,
    experiment: str | Sequence[str] | None = None,
    by: str = CONDITION,
    reference: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Write cultures into one HTML file that needs nothing else; an older file of that name is replaced.

    Parameters
    ----------
    graph
        Where the cultures are.
    cultures
        Their names, in the order in which the report has them.
    out
        A .html file in a folder that exists.
    experiment
        In place of names: all cultures of one or several experiments.
    by
        What makes the groups of the comparison: "condition", "culture", "experiment", or an annotation of cultures.
    reference
        The group that the others are compared with; None: all pairs.
    progress
        Called with the stage "report".

    Returns
    -------
    The file that was written.

    Raises
    ------
    InputError
        Neither or both of cultures and experiment, another suffix, a file that cannot be written, or nothing to compare
        by `by` or `reference`.
    NotFoundError
        No such culture, experiment or annotation.
    """
    target = _checked(Path(out))
    names = _named(graph, cultures, [experiment] if isinstance(experiment, str) else list(experiment or []))
    found = []
    for done, name in enumerate(names):
        progress("report", done, len(names) + 1)
        about = graph.culture(name)
        if about is None:  # deleted this very moment
            raise unknown_culture(graph, name)
        found.append(report_culture(graph, about))
    text = page(graph, found, compared(graph, found, by, reference))
    progress("report", len(names) + 1, len(names) + 1)
    try:
        write_atomically(target, lambda draft: draft.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot write {str(target)!r}: {error.strerror or error}") from error
    return target


def _checked(path: Path) -> Path:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"a report is an HTML file: name it .html, not {str(path)!r}")
    require_place(path)
    if path.is_dir():
        raise InputError(f"cannot write {str(path)!r}: it is a folder")
    return path


def _named(graph: Graph, cultures: Sequence[str], experiments: Sequence[str]) -> list[str]:
    """The names of the cultures, each once."""
    if bool(cultures) == bool(experiments):
        raise InputError("give one or more CULTUREs, or --experiment NAME")
    if cultures:
        names = list(dict.fromkeys([cultures] if isinstance(cultures, str) else cultures))
        for name in names:
            require_culture(graph, name)
        return names
    there = rows(graph, "cultures")[1]
    known = sorted({row["experiment"] for row in there} - {None})
    unknown = [name for name in experiments if name not in known]
    if unknown:
        advice = f"there is {spelt(*known)}" if known else "none is named: ingest with --experiment"
        raise NotFoundError(f"there is no experiment {spelt(unknown[0])} with complete cultures; {advice}")
    return [row["culture"] for row in there if row["experiment"] in experiments]


def page(graph: Graph, cultures: Sequence[ReportCulture], comparison: Comparison | None) -> str:
    """The whole HTML text."""
    from bokeh.resources import Resources
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("calcigraph.report", "page")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["short"] = lambda value: "–" if value is None else number(value)
    environment.filters["ticked"] = _ticked
    folder = files("calcigraph.report").joinpath("page")
    lines = lines_of(cultures)
    payloads = [payload_of(culture) for culture in cultures]
    most = max(sum("histogram" in each for each in one["quantities"]) for one in payloads)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    first = headline(cultures[0])
    if len(cultures) > 1:
        first = (comparison.first if comparison else "") or f"{len(cultures)} cultures; {cultures[0].name}: {first}"
    return environment.get_template("page.html").render(
        title=cultures[0].name if len(cultures) == 1 else f"{len(cultures)} cultures",
        first=first,
        cultures=[_static(culture) for culture in cultures],
        annotations=sorted({name for culture in cultures for name in culture.about.annotations}),
        comparison=comparison,
        glossary=GLOSSARY,
        citations=provenance.citations(),
        of_report=provenance.of_report(graph, created),
        version=__version__,
        resolution=payloads[0]["resolution"],
        style=folder.joinpath("report.css").read_text(encoding="utf-8"),
        bokeh=Resources(mode="inline", components=["bokeh"], log_level="error").js_raw,
        script="\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS),
        settings=_json(
            {
                "palettes": figures.PALETTES,
                "lines": [each.plain() for each in lines],
                "cultures": len(cultures),
                "strips": [each.title for each in comparison.strips] if comparison else [],
            }
        ),
        figures=_json(
            {
                "map": figures.cell_map(),
                "trace": figures.traces(lines),
                "histograms": figures.histograms(most),
                "strips": figures.strip_plots(comparison.strips if comparison else ()),
            }
        ),
        payloads=[_json(one) for one in payloads],
    )


def _static(culture: ReportCulture) -> dict[str, Any]:
    """What of a culture stands in the page as text."""
    about = culture.about
    return {
        "name": culture.name,
        "condition": about.condition or "",
        "annotations": dict(about.annotations),
        "experiment": about.experiment or "",
        "counts": f"{counted(len(culture.data.subgraph.labels), 'cell')}, {counted(about.frames, 'frame')}",
        "headline": headline(culture),
        "why": [
            (fit.model, fit.row["identified"], fit.row["why"])
            for fit in culture.fits
            if fit.row["why"] and not fit.row["stale"]
        ],
        "forecast": "" if culture.forecast is None else str(culture.forecast["found"]),
        "missing": missing(culture),
        "stale": culture.stale,
        "warnings": list(dict.fromkeys((*about.warnings, *about.doubts))),
        "advice": list((culture.found or {}).get("advice") or ()),
        "recording": provenance.of_recording(culture),
        "results": provenance.of_results(culture),
    }


def _ticked(text: str) -> Markup:
    """A sentence whose commands, between backticks, are marked as such; nothing in it is read as HTML."""
    from markupsafe import Markup, escape

    return escape("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(text.split("`"))
    )


def _json(value: Any) -> str:
    """JSON that may stand inside a <script>: no text in it can end that element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
