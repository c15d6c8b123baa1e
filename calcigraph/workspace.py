"""The one place where ingest, graph, models and queries meet: pull, compute, write back. The Python interface too."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from calcigraph.errors import ConflictError, InputError, WorkspaceError
from calcigraph.ingest.options import TraceOptions
from calcigraph.models.table import DEFAULT_MODEL, MODELS
from calcigraph.store.folder import MovieFolder
from calcigraph.store.types import Culture, CultureData, Fit, Progress, Subgraph, silent
from calcigraph.version import __version__

if TYPE_CHECKING:
    import pandas

    from calcigraph.ingest import IngestOptions
    from calcigraph.models import FitOptions, Ranked, SyntheticOptions
    from calcigraph.models.event_options import EventOptions
    from calcigraph.store import Graph
    from calcigraph.store.event_types import EventRun

DEFAULT_FOLDER = "calcigraph-workspace"
FORBIDDEN_IN_NAMES = set('/\\:*?"<>|~')


def default_folder() -> Path:
    """$CALCIGRAPH_WORKSPACE, else ./calcigraph-workspace."""
    return Path(os.environ.get("CALCIGRAPH_WORKSPACE") or DEFAULT_FOLDER)


def checked_name(name: str) -> str:
    """A culture's name as given, if it can stand in a uid and a file name.

    Raises InputError otherwise.
    """
    unfit = not name or len(name) > 100 or name != name.strip() or name.startswith(".")
    if unfit or any(char in FORBIDDEN_IN_NAMES or not char.isprintable() for char in name):
        raise InputError(
            f"culture name {name!r} cannot be used: give 1 to 100 printable characters without "
            '/ \\ : * ? " < > | ~, not starting with a dot and without spaces at the ends'
        )
    return name


class Workspace:
    """A folder with movies (OME-Zarr) and, unless NEO4J_URI names a server, the embedded graph.

    The graph is opened when something first needs it; use as a context manager, or call close().

    Parameters
    ----------
    folder
        The workspace; made when something is first stored. None: `default_folder()`.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()
        self._graph: Graph | None = None
        self._movies = MovieFolder(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the graph; the embedded engine stops if this process started it."""
        if self._graph is not None:
            self._graph.close()
            self._graph = None

    @property
    def graph(self) -> Graph:
        """The graph, opened on first use. Raises GraphError, WorkspaceError."""
        if self._graph is None:
            from calcigraph.store import Graph, chosen_heap_mb

            self.make_folder()
            self._graph = Graph.open(self.folder, heap_mb=chosen_heap_mb())
        return self._graph

    def migrate(self, progress: Progress = silent) -> int:
        """Bring an older graph to this version, on a server too. Returns the schema's version; raises as `graph`."""
        from calcigraph.store import Graph, chosen_heap_mb

        self.close()
        self.make_folder()
        self._graph = Graph.open(self.folder, heap_mb=chosen_heap_mb(), migrating=True, progress=progress)
        return self._graph.schema_version

    def make_folder(self, name: str = "") -> Path:
        """Make the workspace, or a folder inside it. Raises WorkspaceError."""
        folder = self.folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"workspace folder {folder} cannot be made ({error.strerror}): name another folder with --workspace"
            ) from error
        return folder

    # Movies and traces in.

    def ingest(
        self, movie: str, culture: str, options: IngestOptions, *, replace: bool = False, progress: Progress = silent
    ) -> tuple[Culture, bool]:
        """Bring a movie in: denoise, segment or take masks, trace, and write movie and graph.

        The same movie, masks and options again change nothing.

        Returns
        -------
        The culture as stored, and whether anything was written.

        Raises
        ------
        InputError for what is wrong with movie, masks or options; ConflictError if the name is taken by another
        input and replace is False; MissingExtraError without cellpose; GraphError, WorkspaceError.
        """
        from calcigraph.ingest import ingest_movie, input_digest

        checked_name(culture)
        with self._movies.locked(culture):
            stored, digest = self.graph.culture(culture), None
            if stored is not None and stored.complete:
                digest = input_digest(movie, options, progress)
                if _unchanged(stored, digest, replace) and self._movies.has(stored.movie):
                    return self._tidied(stored), False
            self._movies.remove(culture, keep=[stored.movie if stored else None])
            store = self._movies.new(culture)
            data = ingest_movie(
                movie,
                culture=culture,
                options=options,
                store_path=store,
                version=__version__,
                movie_name=self._movies.relative(store),
                digest=digest,
                progress=progress,
            )
            return self._write(data, replace, progress), True

    def ingest_traces(
        self,
        csv: str,
        culture: str,
        *,
        frame_interval_s: float | None = None,
        experiment: str | None = None,
        condition: str | None = None,
        max_distance_px: float | None = None,
        max_missing: float = TraceOptions.max_missing,
        zero_is_missing: bool = False,
        drop_repeats: bool = False,
        trust_interval: bool = False,
        replace: bool = False,
        progress: Progress = silent,
    ) -> tuple[Culture, bool]:
        """Bring in a recording that exists only as per-cell traces with positions; see `ingest`."""
        from calcigraph.ingest import ingest_traces

        checked_name(culture)
        options = TraceOptions(
            frame_interval_s=frame_interval_s,
            experiment=experiment,
            condition=condition,
            max_distance_px=max_distance_px,
            max_missing=max_missing,
            zero_is_missing=zero_is_missing,
            drop_repeats=drop_repeats,
            trust_interval=trust_interval,
        )
        with self._movies.locked(culture):
            data = ingest_traces(csv, culture=culture, options=options)
            stored = self.graph.culture(culture)
            if stored is not None and stored.complete and _unchanged(stored, data.culture.input_digest, replace):
                return self._tidied(stored), False
            return self._write(data, replace, progress), True

    def _write(self, data: CultureData, replacing: bool, progress: Progress) -> Culture:
        self.graph.write_culture(data, replace=replacing, progress=progress)
        return self._tidied(self.culture(data.culture.uid))

    def _tidied(self, culture: Culture) -> Culture:
        """The culture, without what a killed replacement may have left in graph and folder."""
        self.graph.remove_leftovers(culture.uid)
        self._movies.remove(culture.uid, keep=[culture.movie])
        return culture

    def culture(self, name: str) -> Culture:
        """The complete culture of this name. Raises NotFoundError."""
        from calcigraph.queries import require_culture, unknown_culture

        require_culture(self.graph, name)
        found = self.graph.culture(name)
        if found is None:  # deleted this very moment
            raise unknown_culture(self.graph, name)
        return found

    def delete(self, culture: str) -> None:
        """Remove a culture, its fits and its movie store; finishes a delete or an ingest that was killed."""
        from calcigraph.queries import unknown_culture

        known = {row["culture"] for row in self.graph.incomplete()} | {c.uid for c in self.graph.cultures()}
        if culture not in known and not self._movies.of(culture):
            raise unknown_culture(self.graph, culture)
        with self._movies.locked(culture):
            if culture in known:
                self.graph.delete_culture(culture)
            self._movies.remove(culture)

    # Models.

    def subgraph(self, culture: str) -> Subgraph:
        """The models' input, pulled by queries/subgraph.cypher. Raises NotFoundError."""
        from calcigraph.queries import subgraph

        return subgraph(self.graph, culture)

    def fit(
        self,
        culture: str,
        model: str = DEFAULT_MODEL,
        options: FitOptions | None = None,
        *,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> Fit:
        """Fit a model to a culture and write its parameters back as node properties and a FitRun.

        Raises NotFoundError for an unknown culture, FitError for a culture the options cannot fit.
        """
        from calcigraph.models import FitOptions, fit

        result = fit(self.subgraph(culture), model, options or FitOptions(), scheduler=scheduler, progress=progress)
        self.graph.write_fit(result, created=_now(), version=__version__)
        return result

    def rank_weights(
        self,
        culture: str,
        model: str = DEFAULT_MODEL,
        options: FitOptions | None = None,
        *,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> list[Ranked]:
        """Fit a model with every law of the weights, test which of them the contacts follow, and write all fits back.

        The laws that are left come first, the one that fits best before the others. Its fit is written last, so that
        the node properties are its. Raises as `fit`.
        """
        from calcigraph.models.weightings import rank_weights

        ranked = rank_weights(self.subgraph(culture), model, options, scheduler=scheduler, progress=progress)
        for each in reversed(ranked):
            self.graph.write_fit(each.fit, created=_now(), version=__version__)
        return ranked

    def events(self, culture: str, options: EventOptions | None = None, *, progress: Progress = silent) -> EventRun:
        """Find the calcium events of a culture and the waves they make, and store them in place of those it has.

        The latest fit of the default model, where it tells k, gives own shares.

        Raises NotFoundError for an unknown culture, InputError for a recording too short for the options, ConflictError
        if another process does the same at this moment.
        """
        from calcigraph.coupling import coupling_of
        from calcigraph.models.event_run import find_events
        from calcigraph.store.event_properties import relative_light

        graph = self.subgraph(culture)
        coupling, missing = coupling_of(self.rows("fits", culture=culture)[1])
        found = find_events(graph, options, coupling=coupling, progress=progress)
        found = replace(found, advice=(*found.advice, missing)) if missing else found
        self.graph.write_events(found, relative_light(graph, found), _now(), __version__, progress)
        return found

    # Queries.

    def query(self, name: str, **parameters: Any) -> pandas.DataFrame:
        """Run a named query (`calcigraph query --list`)."""
        from calcigraph.queries import run

        return run(self.graph, name, **parameters)

    def rows(self, name: str, **parameters: Any) -> tuple[list[str], list[dict[str, Any]]]:
        """A named query as column names and records of plain values, None for absent: what commands print."""
        from calcigraph.queries import rows

        return rows(self.graph, name, **parameters)

    def cypher(self, text: str, parameters: Mapping[str, Any] | None = None) -> pandas.DataFrame:
        """Run your own Cypher, read-only. Raises ReadOnlyError, LimitError, InputError."""
        from calcigraph.queries import run_user

        return run_user(self.graph, text, dict(parameters or {}))

    def compare(
        self,
        cultures: Sequence[str] = (),
        *,
        experiment: str | Sequence[str] | None = None,
        by: str = "condition",
        within: str | None = None,
        model: str = DEFAULT_MODEL,
        allow_different_options: bool = False,
    ) -> pandas.DataFrame:
        """Compare what was fitted, events and waves; the unit is the culture. See `queries.compare_cultures`."""
        from calcigraph.queries import compare_cultures

        _check_model(model)
        return compare_cultures(
            self.graph, list(cultures), experiment, by, model, allow_different_options, within=within
        )

    def picture(
        self,
        culture: str,
        kind: str,
        out: str,
        *,
        model: str = DEFAULT_MODEL,
        frame: int = 0,
        cell: int | None = None,
        wave: int | None = None,
    ) -> Path:
        """Draw a culture into a PNG, PDF or SVG file, and return its path.

        Parameters
        ----------
        kind
            One of calcigraph.pictures.KINDS, such as "graph" or "parameters".
        model
            Whose latest fit is drawn, by the kinds that draw a fit.
        frame
            From 0; for the kinds that draw one frame.
        cell
            The label of one cell. Kind traces draws this cell alone; on maps its outline is marked.
        wave
            The number of one wave, which kind waves draws alone.

        Raises
        ------
        NotFoundError for no such culture, cell, wave, fit or events; InputError for no such kind or frame, for a
        culture without the movie that is needed, and for a file that cannot be written.
        """
        from calcigraph.pictures import draw, picture_data

        about = self.culture(culture)
        _check_model(model)
        movie = None if about.movie is None else self.folder / about.movie
        data = picture_data(self.graph, about, movie, kind=kind, model=model, frame=frame, wave=wave)
        return draw(kind, data, out, frame=frame, cell=cell)

    def status(self) -> list[dict[str, Any]]:
        """Engine, versions, workspace, counts, warnings and what is incomplete: rows of item, culture, value."""
        from calcigraph.store.status import status_rows

        return status_rows(self.graph, self.folder, self._movies, self.rows("cultures")[1])

    def simulate(self, out: str, options: SyntheticOptions, *, progress: Progress = silent) -> dict[str, Any]:
        """Write a synthetic movie OUT.tif with OUT_labels.tif and OUT_truth.json; needs no graph.

        Options that spoil the masks add OUT_masks.tif: the masks as a user would have them.

        Returns
        -------
        The truth: k, feed per label, border flags, contacts (models/synthetic/ground_truth.py says in which units).
        """
        from calcigraph.simulation import write_simulation

        return write_simulation(out, options, progress)


def _check_model(model: str) -> None:
    if model not in MODELS:
        raise InputError(f"unknown model {model!r}; there are {', '.join(MODELS)}")


def _unchanged(stored: Culture, digest: str, replacing: bool) -> bool:
    """Whether the stored culture was made from the same input; ConflictError if not and it is not to be replaced."""
    if stored.input_digest != digest and not replacing:
        raise ConflictError(
            f"culture {stored.uid!r} exists, made from another movie, masks or options: choose another --culture, "
            "or give --replace to put this one in its place (the fits of the old one go with it)"
        )
    return stored.input_digest == digest


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
