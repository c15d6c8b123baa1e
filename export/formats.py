"""The formats of `calcigraph export`: this table is the only place to add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from calcigraph.errors import InputError

ZARR = ".zarr"
Writer = Callable[..., tuple[str, ...] | None]


@dataclass(frozen=True)
class Form:
    """A format."""

    name: str
    suffix: str
    """Of the file; "" for a folder of any name."""
    writer: str
    """`module:function` in export/: it takes what `collect` read, or the graph and the culture, and the path."""
    needs: tuple[str, ...] = ()
    """Modules of the extra `exchange`."""
    events: bool = False
    """Whether it holds single events and waves."""
    of_graph: bool = False
    """Whether the writer takes the graph and the culture."""
    beside: tuple[str, str] | None = None
    """Of a second file: what its name has before the ending, and its writer."""

    @property
    def folder(self) -> bool:
        """Whether it is a folder of files."""
        return self.suffix in ("", ZARR)

    def write(self) -> Writer:
        """The function that writes it, and may return what it left out."""
        return _function(self.writer)

    def second(self, path: Path) -> tuple[Path, Writer] | None:
        """The file beside that belongs to it, and the function that writes it."""
        if self.beside is None:
            return None
        return path.with_name(f"{path.stem}{self.beside[0]}{path.suffix}"), _function(self.beside[1])


def _function(named: str) -> Writer:
    module, _, function = named.partition(":")
    found: Writer = getattr(import_module(f"calcigraph.export.{module}"), function)
    return found


TABLE = (
    Form("csv", "", "folders:write_csv", events=True),
    Form("parquet", "", "folders:write_parquet", needs=("pyarrow",), events=True),
    Form("graphml", ".graphml", "contact_graph:write_graphml"),
    Form("geojson", ".geojson", "maps:write_geojson", beside=("_contacts", "maps:write_contact_geojson")),
    Form(
        "geoparquet",
        ".parquet",
        "maps:write_geoparquet",
        needs=("pyarrow", "geopandas"),
        beside=("_contacts", "maps:write_contact_geoparquet"),
    ),
    Form("anndata", ".h5ad", "annotated_matrix:write_anndata", needs=("anndata",)),
    Form("anndata-zarr", ZARR, "annotated_matrix:write_anndata_zarr", needs=("anndata",)),
    Form("nwb", ".nwb", "archive:write_nwb", needs=("pynwb",), events=True),
    Form("cypher", ".cypher", "cypher_file:write_cypher", of_graph=True),
    Form("neo4j-csv", "", "neo4j_import:write_neo4j_csv", of_graph=True),
)
FORMATS: dict[str, Form] = {form.name: form for form in TABLE}


def named(name: str | None, path: Path) -> Form:
    """The format of this name, or the one that the path's suffix stands for.

    Raises InputError for no such format, and for a suffix that is not the format's.

    >>> named(None, Path("a.graphml")).name
    'graphml'
    """
    suffix = path.suffix.lower()
    if name is None:
        found = [form for form in TABLE if form.suffix and form.suffix == suffix]
        if not found:
            raise InputError(f"cannot tell the format of {str(path)!r}: give --format, one of {', '.join(FORMATS)}")
        return found[0]
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}; expected one of {', '.join(FORMATS)}")
    form = FORMATS[name]
    if form.suffix and form.suffix != suffix:
        raise InputError(
            f"cannot write {str(path)!r} as {name}: name it {form.suffix}, as the programs that open it expect"
        )
    return form
