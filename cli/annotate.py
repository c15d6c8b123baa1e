"""`calcigraph annotate`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from calcigraph.cli.output import note, note_unlike
from calcigraph.errors import InputError
from calcigraph.workspace import Workspace

if TYPE_CHECKING:
    from calcigraph.store.annotated import Value
    from calcigraph.store.types import Culture

MOST_CELLS = 1_000_000
"""Cells that `--cells` may name; a range such as 1-1000000000 would fill the memory."""


def annotate(
    context: typer.Context,
    culture: Annotated[str, typer.Argument(help="Culture to annotate.", show_default=False)],
    values: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="What to set; KEY= takes it away.", show_default=False),
    ],
    cells: Annotated[
        str | None, typer.Option(metavar="LABELS", help="Annotate these cells instead, such as 3,7,12-20.")
    ] = None,
) -> None:
    """Say what you know of a culture or of cells: dish, operator, dose, condition. Nothing is measured anew."""
    from calcigraph.store.annotated import OWN, parsed

    workspace: Workspace = context.obj
    given = dict(parsed(text) for text in values)
    labels = None if cells is None else parsed_labels(cells)
    others = [other for other in workspace.graph.cultures() if other.uid != culture]
    workspace.annotate(culture, given, labels)
    for key, value in given.items() if labels is None else ():
        if key in OWN:
            note_unlike(key, value if isinstance(value, str) else None, _said_of(others, key))
        else:
            note_unlike("annotation", key, {name for other in others for name in other.annotations} | {*OWN})
    some = "" if labels is None else f"{len(labels)} cell{'' if len(labels) == 1 else 's'} of "
    what = f"{some or 'culture '}{culture}"
    note(f"{what}: {', '.join(_said(key, value) for key, value in given.items())}")


def _said_of(cultures: Sequence[Culture], name: str) -> set[str]:
    return {value for each in cultures if (value := getattr(each, name))}


def _said(key: str, value: Value) -> str:
    if value is None:
        return f"{key} is taken away"
    return f"{key} is {str(value).lower() if isinstance(value, bool) else value}"


def parsed_labels(text: str, option: str = "--cells") -> list[int]:
    """Labels of cells and ranges of labels, both ends included. Raises InputError.

    >>> parsed_labels("3,7, 12-14")
    [3, 7, 12, 13, 14]
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not match or last < first or last - first >= MOST_CELLS:
            raise InputError(f"{option} {text!r}: expected labels and ranges of labels, such as 3,7,12-20")
        found |= dict.fromkeys(range(first, last + 1))
    return list(found)
