"""`calcigraph compare`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from calcigraph.cli.output import DpiOption, Format, FormatOption, WideOption, WidthOption, note, show
from calcigraph.errors import InputError
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.workspace import Workspace


def compare(
    context: typer.Context,
    cultures: Annotated[list[str] | None, typer.Argument(help="Cultures to compare.", show_default=False)] = None,
    experiment: Annotated[
        list[str] | None, typer.Option(help="Compare the cultures of this experiment; may be repeated.", metavar="NAME")
    ] = None,
    by: Annotated[
        str, typer.Option(help="What makes the groups: condition, culture, experiment, or a key of annotate.")
    ] = "condition",
    within: Annotated[
        str | None,
        typer.Option(
            help="experiment: compare conditions inside each, with experiments as replicates.", metavar="WHAT"
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Group to compare the others with; default: all pairs.", metavar="GROUP")
    ] = None,
    model: Annotated[str, typer.Option(help="Whose parameters.")] = DEFAULT_MODEL,
    allow_different_options: Annotated[
        bool, typer.Option("--allow-different-options", help="Compare fits and events made with different options.")
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option(help="PNG, PDF or SVG to draw too: a dot for each culture, by group.", metavar="FILE"),
    ] = None,
    dpi: DpiOption = 200,
    width: WidthOption = None,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Take also what is of masks that were mended since (curate)."),
    ] = False,
    wide: WideOption = False,
    form: FormatOption = Format.table,
) -> None:
    """Compare what was fitted, events, waves and forecasts between cultures or conditions; the unit is the culture.

    Synchrony is the mean correlation of intensity changes between contacts, without what a smooth drive gives.
    """
    from calcigraph.queries import records
    from calcigraph.queries.compare import medians
    from calcigraph.said import comparison_said

    everything = "experiment" in (by, within)
    if bool(cultures and experiment) or not (cultures or experiment or everything):
        raise InputError("give two or more CULTUREs, or --experiment NAME with --by condition")
    workspace: Workspace = context.obj
    found = workspace.compare(
        cultures or [],
        experiment=experiment,
        by=by,
        model=model,
        allow_different_options=allow_different_options,
        within=within,
        reference=reference,
        stale=stale,
    )
    if plot is not None:
        note(f"wrote {workspace.strip_plot(found, plot, dpi=dpi, width=width)}")
    columns, rows = [str(column) for column in found.columns], records(found)
    if form is not Format.table:
        show(columns, rows, form)
        return
    for sentence in comparison_said(rows):
        print(sentence)
    print()
    show(*medians(rows), form)
    # Notes are sentences, mostly the same in every row: each is said once, below the table.
    columns.remove("note")
    if wide:
        print()
        show(columns, rows, form)
    for remark in dict.fromkeys(part for row in rows for part in _sentences(row["note"] or "")):
        note(remark)


def _sentences(text: str) -> list[str]:
    """The parts of a note between semicolons, but not between those inside quotation marks.

    >>> _sentences('options differ: k; without synchrony: "dish; x"')
    ['options differ: k', 'without synchrony: "dish; x"']
    """
    return [part.strip() for part in re.findall(r'(?:"[^"]*"|;(?! )|[^";])+', text)]
