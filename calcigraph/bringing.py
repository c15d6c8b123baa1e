"""What changes the cultures of a workspace: movies and traces in, annotations, deletion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from calcigraph.errors import ConflictError, InputError
from calcigraph.ingest.digests import Said
from calcigraph.ingest.options import TraceOptions
from calcigraph.models.table import MODELS
from calcigraph.naming import checked_name
from calcigraph.opened import Opened
from calcigraph.store.progress import Progress, silent
from calcigraph.version import __version__

if TYPE_CHECKING:
    from calcigraph.ingest import IngestOptions
    from calcigraph.store.curated import Changes
    from calcigraph.store.types import Culture, CultureData


class Bringing(Opened):
    """The part of `Workspace` that brings cultures in, annotates and deletes them."""

    def ingest(
        self,
        movie: str,
        culture: str,
        options: IngestOptions,
        *,
        replace: bool = False,
        keep_mended: bool = False,
        progress: Progress = silent,
    ) -> tuple[Culture, bool]:
        """Bring a movie in: denoise, segment or take masks, trace, and write movie and graph.

        The same movie, masks and options again change nothing. Nor do they, with `keep_mended`, where the masks were
        mended since (`curate`).

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
                older = partial(input_digest, movie, options, progress)
                mended = self.graph.history(culture)
                kept = keep_mended and digest in [each.before for each in mended]
                if (kept or _unchanged(stored, digest, older, replace, mended)) and self._movies.has(stored.movie):
                    return self._said_again(stored, options), False
            self.graph.require_writable()
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
        self, path: str, culture: str, *, replace: bool = False, progress: Progress = silent, **options: Any
    ) -> tuple[Culture, bool]:
        """Bring in a recording that exists only as traces: a table, or what another program has found in a movie.

        Parameters
        ----------
        path
            A table of traces; a folder of suite2p; CaImAn's HDF5; NWB; AnnData.
        culture
            Its name.
        replace, progress
            As for `ingest`, which also says what is returned and raised.
        options
            The fields of `calcigraph.TraceOptions`, such as `frame_interval_s=5.4`.
        """
        from calcigraph.ingest import ingest_traces, traces_digest

        checked_name(culture)
        chosen = TraceOptions(**options)
        self._movies.require_writable()
        data = ingest_traces(path, culture=culture, options=chosen)
        with self._movies.locked(culture):
            stored = self.graph.culture(culture)
            if stored is not None and stored.complete:
                digest = data.culture.input_digest
                if _unchanged(stored, digest, partial(traces_digest, path, chosen), replace):
                    return self._said_again(stored, chosen), False
            return self._write(data, replace, progress), True

    def _write(self, data: CultureData, replacing: bool, progress: Progress) -> Culture:
        if data.culture.movie is not None:
            data = replace(data, culture=replace(data.culture, movie_uri=self._movies.uri(data.culture.movie)))
        self._movies.require_held(data.culture.uid)
        self.graph.write_culture(data, replace=replacing, progress=progress)
        return self._tidied(self.culture(data.culture.uid))

    def _said_again(self, culture: Culture, options: IngestOptions | TraceOptions) -> Culture:
        """The culture, which is there already, in the experiment and condition that are given now."""
        given = {"experiment": options.experiment, "condition": options.condition}
        values = {name: value for name, value in given.items() if value not in (None, getattr(culture, name))}
        if values:
            self.annotate(culture.uid, values)
        return self._tidied(self.culture(culture.uid))

    def annotate(self, culture: str, values: Mapping[str, Any], cells: Sequence[int] | None = None) -> Culture:
        """Set what you know of a culture, or of some of its cells: dish, operator, dose; None takes a value away.

        Parameters
        ----------
        culture
            Its name.
        values
            Texts, numbers, True or False, by name. `experiment` and `condition` are those of the ingest.
        cells
            Labels of the cells that are meant; None for the culture.

        Raises
        ------
        NotFoundError for no such culture or cell; InputError for what cannot be stored.
        """
        self.culture(culture)
        fitted = [name for name in values if cells is not None and name.partition("_")[0] in MODELS]
        if fitted:
            raise InputError(f"{fitted[0]} is where a fit writes its parameters: choose a name without the model's")
        self.graph.annotate(culture, values, cells)
        return self.culture(culture)

    def curate(self, culture: str, masks: str, *, progress: Progress = silent) -> Changes | None:
        """Put mended masks in the place of a culture's; cells that changed are measured anew from its denoised movie.

        All else stays: the other cells with traces, annotations and uids, and fits and events, which are marked stale.
        The result is that of an ingest with these masks and the same options.

        Parameters
        ----------
        culture
            Its name.
        masks
            A label image, as for `ingest`. Labels are those of the culture: a cell keeps its own.

        Returns
        -------
        What changed; None where the culture has these masks already.

        Raises
        ------
        NotFoundError for no such culture or file; InputError for what is no such label image, and for cultures without
        a movie; ConflictError if another process writes the culture; WorkspaceError, GraphError.
        """
        from calcigraph.curation import curate

        checked_name(culture)
        self.culture(culture)
        self.graph.require_writable()
        with self._movies.locked(culture):
            return curate(self.graph, self._movies, self.culture(culture), masks, progress)

    def _tidied(self, culture: Culture) -> Culture:
        """The culture, without what a killed replacement may have left in graph and folder."""
        self.graph.remove_leftovers(culture.uid)
        self._movies.remove(culture.uid, keep=[culture.movie])
        return culture

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


def _unchanged(
    stored: Culture, digest: str, before: Callable[[Said], str], replacing: bool, mended: Sequence[Changes] = ()
) -> bool:
    """Whether the stored culture was made from the same input; ConflictError if not and it is not to be replaced.

    `before` gives the digest as calcigraph made it to version 0.2, of experiment and condition too; `mended` is what
    was mended of its masks since, which an ingest with the older ones would undo.
    """
    said = (stored.experiment, stored.condition)
    same = stored.input_digest == digest or (any(said) and stored.input_digest == before(said))
    if not same and not replacing and mended:
        raise ConflictError(
            f"the masks of culture {stored.uid!r} were mended {mended[-1].when[:10]} (calcigraph curate), and this "
            "would undo it: choose another --culture, or give --replace to go back to this input (fits go with it)"
        )
    if not same and not replacing:
        raise ConflictError(
            f"culture {stored.uid!r} exists, made from another movie, masks or options: choose another --culture, "
            "or give --replace to put this one in its place (the fits of the old one go with it)"
        )
    return same
