"""`calcigraph query`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calcigraph.cli.output import Format, FormatOption, WideOption, note, show
from calcigraph.errors import InputError, MissingParameterError, NotFoundError
from calcigraph.workspace import Workspace

if TYPE_CHECKING:
    from calcigraph.queries import Query


def query(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME|FILE.cypher", help="A named query (--list), or a Cypher file.")
    ] = None,
    culture: Annotated[
        str | None, typer.Argument(metavar="[CULTURE]", help="The same as -p culture=CULTURE.", show_default=False)
    ] = None,
    cypher: Annotated[str | None, typer.Option(help="Your own Cypher, read-only.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="A parameter; may be repeated.")
    ] = None,
    list_queries: Annotated[bool, typer.Option("--list", help="List the named queries and their parameters.")] = False,
    wide: WideOption = False,
    form: FormatOption = Format.table,
) -> None:
    """Ask the graph: a named question, or your own read-only Cypher."""
    from calcigraph.queries import load, names, parse_parameters, records, written_parameters

    if sum((list_queries, name is not None, cypher is not None)) != 1:
        raise InputError("give one of a query's NAME, a FILE.cypher, --cypher TEXT or --list")
    if list_queries:
        show(["name", "parameters", "answers"], [_listed(load(known)) for known in names()], form)
        return
    parameter = [*([f"culture={culture}"] if culture is not None else []), *(parameter or [])]
    workspace: Workspace = context.obj
    shown: tuple[str, ...] = ()
    try:
        if name is not None and not name.endswith(".cypher"):
            known = load(name)
            columns, rows = workspace.rows(name, **parse_parameters(parameter, known))
            shown = () if wide else known.shown
        else:
            text = cypher if cypher is not None else _read(name or "")
            found = workspace.cypher(text, written_parameters(workspace.graph, text, parameter))
            columns, rows = [str(column) for column in found.columns], records(found)
    except MissingParameterError as error:
        if error.name == "culture" and name is not None:
            raise InputError(f"{error}: calcigraph query {name} CULTURE") from error
        raise InputError(f"{error}: give -p {error.name}=...") from error
    show(columns, rows, form, shown)
    if not rows and name is not None:
        _say_why(workspace, parameter)


def _say_why(workspace: Workspace, parameter: list[str]) -> None:
    """Where nothing was found of a culture that was brought in without contacts."""
    chosen = [text.removeprefix("culture=") for text in parameter if text.startswith("culture=")]
    known = workspace.known(chosen[-1]) if chosen else None
    if known is not None and known.options.get("contacts") == "none":
        note(f"culture {known.uid} has no contacts (--unconnected), so nothing is known of coupling, fits and waves")


def _listed(known: Query) -> dict[str, str]:
    """A row of --list."""
    takes = (f"{each.name}: {each.type}" + ("" if each.required else f" = {each.default}") for each in known.parameters)
    return {"name": known.name, "parameters": ", ".join(takes), "answers": known.description}


def _read(path: str) -> str:
    """The text of a query file. Raises NotFoundError, InputError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"query file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"query file {path} cannot be read as UTF-8 text: {error}") from error
