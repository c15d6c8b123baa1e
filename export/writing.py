"""One culture into one file or folder of a format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calcigraph.export.extra import exchange
from calcigraph.export.formats import named
from calcigraph.export.place import check_place, write_in_place
from calcigraph.store.location import Location
from calcigraph.store.types import Culture

if TYPE_CHECKING:
    from calcigraph.store.graph import Graph


@dataclass(frozen=True)
class Exported:
    """What `Workspace.export` wrote."""

    path: Path
    format: str
    left_out: tuple[str, ...]
    """What the culture does not have, or the format could not take, with what to do about it."""
    also: Path | None = None
    """A second file that belongs to it: the contacts of a map."""


def export(
    graph: Graph,
    culture: Culture,
    path: Path,
    form: str | None,
    *,
    replace: bool = False,
    movie: Location | None = None,
) -> Exported:
    """Write a culture for another program.

    Parameters
    ----------
    graph
        Where the culture is.
    culture
        It.
    path
        The file or folder to write.
    form
        One of FORMATS; None: what the path's suffix stands for.
    replace
        Whether a folder that holds an export may be replaced. A file always is.
    movie
        The culture's movie store, where this workspace has it.

    Raises
    ------
    InputError
        There is no such format, or the place cannot be written.
    MissingExtraError
        The format needs a library of the extra `exchange`.
    ConflictError
        The culture was replaced while it was read.
    """
    from calcigraph.export.collected import collect, require_unchanged

    chosen = named(form, path)
    second = chosen.second(path)
    check_place(path, chosen.folder, replace)
    if second is not None:
        check_place(second[0], False, replace)
    for module in chosen.needs:
        exchange(module, f"the format {chosen.name}")
    write, folder = chosen.write(), chosen.folder
    if chosen.of_graph:

        def build(draft: Path) -> None:
            write(graph, culture, draft)
            require_unchanged(graph, culture)

        write_in_place(path, folder, build)
        return Exported(path, chosen.name, ())
    found = collect(graph, culture, movie, events=chosen.events)
    notes: list[str] = list(found.left_out)
    write_in_place(path, folder, lambda draft: notes.extend(write(found, draft) or ()))
    if second is None:
        return Exported(path, chosen.name, tuple(notes))
    also, write_second = second
    write_in_place(also, False, lambda draft: write_second(found, draft))
    return Exported(path, chosen.name, tuple(notes), also)
