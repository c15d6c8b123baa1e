"""The one place where ingest, graph, models and queries meet: pull, compute, write back. The Python interface too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.errors import CalcigraphError, GraphError
from calcigraph.giving import Giving, check_model
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.store.progress import Progress, silent
from calcigraph.version import __version__

if TYPE_CHECKING:
    import pandas

    from calcigraph.backing import Saved
    from calcigraph.models import FitOptions, Ranked, SyntheticOptions
    from calcigraph.models.event_options import EventOptions
    from calcigraph.models.forecast_options import ForecastOptions
    from calcigraph.plan import Plan, Planned
    from calcigraph.planned import Outcome
    from calcigraph.store.event_types import EventRun
    from calcigraph.store.forecast_types import ForecastRun
    from calcigraph.store.types import Fit
    from calcigraph.verifying import Finding


class Workspace(Giving):
    """A folder with movies (OME-Zarr) and, unless NEO4J_URI names a server, the embedded graph.

    The graph is opened when something first needs it; use as a context manager, or call close().

    Parameters
    ----------
    folder
        The workspace; made when something is first stored. Or `s3://BUCKET/PREFIX`, with NEO4J_URI set. None:
        `default_folder()`.
    """

    # Plans.

    def plan(self, path: str | Path) -> Plan:
        """A plan, read from its file (TOML, see `calcigraph.plan`). Raises NotFoundError, InputError."""
        from calcigraph.plan import read_plan

        return read_plan(path)

    def plan_of_table(self, path: str | Path, options: Mapping[str, Any] | None = None) -> Plan:
        """The plan to ingest what a table (CSV) lists; see `calcigraph.plan.plan_of_table`."""
        from calcigraph.plan import plan_of_table

        return plan_of_table(path, options or {})

    def run(
        self,
        plan: Plan,
        *,
        replace: bool = False,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> list[Outcome]:
        """Do what a plan says, culture by culture; a failure does not stop the others. See `spreading.carry_out`."""
        from calcigraph.spreading import carry_out

        return carry_out(self, plan, replace, scheduler, progress)

    def plan_state(self, planned: Planned) -> str:
        """What `run` would find of one culture of a plan, and what it would do: new, done already, masks mended, ..."""
        from calcigraph.planned import state_of

        return state_of(self, planned)

    # Models.

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

        self.graph.require_writable()
        result = fit(self.subgraph(culture), model, options or FitOptions(), scheduler=scheduler, progress=progress)
        self.graph.write_fit(result, created=_now(), version=__version__)
        return result

    def fits(
        self,
        cultures: Sequence[str],
        model: str = DEFAULT_MODEL,
        options: FitOptions | None = None,
        *,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> Iterator[tuple[str, Fit | CalcigraphError]]:
        """Fit cultures and write what is found, one after another: culture and fit, or why there is none.

        With the address of a Dask `scheduler`, its workers fit whole cultures, several at once; they come as they are
        done. Parameters else as for `fit`. Raises GraphError, without which nothing can be done.
        """
        from calcigraph.models import FitOptions
        from calcigraph.spreading import fits

        for culture, found in fits(self, cultures, model, options or FitOptions(), scheduler, progress):
            try:
                if not isinstance(found, CalcigraphError):
                    self.graph.write_fit(found, created=_now(), version=__version__)
            except GraphError:
                raise
            except CalcigraphError as error:  # the culture was deleted or written anew meanwhile
                yield culture, error
            else:
                yield culture, found

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

        self.graph.require_writable()
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

        self.graph.require_writable()
        graph = self.subgraph(culture)
        coupling, missing = coupling_of(self.rows("fits", culture=culture)[1])
        found = find_events(graph, options, coupling=coupling, progress=progress)
        if missing and len(graph.pairs):  # without contacts there is nothing to share
            found = replace(found, advice=(*found.advice, missing))
        self.graph.write_events(found, relative_light(graph, found), _now(), __version__, progress)
        return found

    def forecast(
        self,
        culture: str,
        train: Sequence[str] = (),
        options: ForecastOptions | None = None,
        *,
        progress: Progress = silent,
    ) -> ForecastRun:
        """Forecast a culture, and store that in place of the forecast it has.

        Raises as `forecasts`; NotFoundError for an unknown culture, InputError or FitError for one that cannot be
        forecast.
        """
        _, found = next(iter(self.forecasts([culture], train, options, progress=progress)))
        if isinstance(found, Exception):
            raise found
        return found

    def forecasts(
        self,
        cultures: Sequence[str],
        train: Sequence[str] = (),
        options: ForecastOptions | None = None,
        *,
        progress: Progress = silent,
    ) -> Iterator[tuple[str, ForecastRun | CalcigraphError]]:
        """Forecast cultures and store what is found, one after another: culture and forecast, or why there is none.

        Parameters
        ----------
        cultures
            What is forecast.
        train
            Cultures and experiments that are learnt from, beside each culture's own first three quarters; one text
            may name several, with commas.
        options
            The defaults where None.
        progress
            Called as progress(stage, done, total).

        Raises
        ------
        NotFoundError
            A name of `train` is neither a culture nor an experiment.
        CalcigraphError
            A culture of the training cannot be learnt from.
        """
        from calcigraph.forecasting import forecasts, training
        from calcigraph.models.forecast_options import ForecastOptions
        from calcigraph.store.forecast_types import ForecastRun

        self.graph.require_writable()
        learnt_from = training(self, train)
        for culture, found in forecasts(self, cultures, learnt_from, options or ForecastOptions(), progress):
            if isinstance(found, ForecastRun):
                self.graph.write_forecast(found, created=_now(), version=__version__)
            yield culture, found

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
        reference: str | None = None,
        stale: bool = False,
    ) -> pandas.DataFrame:
        """Compare fits, events, waves and forecasts; the unit is the culture. See `queries.compare_cultures`."""
        from calcigraph.queries import compare_cultures

        check_model(model)
        return compare_cultures(
            self.graph, list(cultures), experiment, by, model, allow_different_options, within, reference, stale
        )

    def status(self) -> list[dict[str, Any]]:
        """Engine, versions, counts, what the latest fits found, warnings, what is incomplete: item, culture, value."""
        from calcigraph.store.status import status_rows

        totals = self.rows("cultures")[1]
        fits = {row["culture"]: self.rows("fits", culture=row["culture"])[1] for row in totals if row["fits"]}
        return status_rows(self.graph, self.folder, self._movies, totals, fits)

    def verify(
        self,
        cultures: Sequence[str] = (),
        *,
        repair: bool = False,
        backup: str | Path | None = None,
        progress: Progress = silent,
    ) -> list[Finding]:
        """Check that movie stores, graph and files are what was written: a flipped byte anywhere is found.

        Nothing is changed unless `repair` is given. Where another process uses the embedded graph, the files of that
        are not checked.

        Parameters
        ----------
        cultures
            Their names; none for all, and for what belongs to no culture.
        repair
            Whether what is wrong is made again where that can be done: files from the source movie, rows from the movie
            store. The findings begin with what was mended.
        backup
            A backup that is checked in place of this workspace.
        progress
            Called with the stages "checking the graph's files", "checking the graph" and "checking movies".

        Returns
        -------
        What was found; `Finding.wrong` tells what is not as it should be.

        Raises
        ------
        NotFoundError for no such workspace or culture; WorkspaceError where there is no room for a copy of the graph.
        """
        from calcigraph.verifying import verify, verify_backup

        if backup is not None:
            return verify_backup(Path(backup), progress)
        self._require_folder()
        if not repair:
            return verify(self.folder, self._movies, self._graph, cultures, progress)
        from calcigraph.mending import repair as mend

        self._movies.require_writable()
        self.close()
        done = mend(self.folder, self._movies, lambda: self.graph, cultures, progress)
        self.close()
        return done + verify(self.folder, self._movies, None, cultures, progress)

    def backup(self, out: str | Path, *, progress: Progress = silent) -> Saved:
        """Save every complete culture, movie and graph, into one new folder; others may read and write meanwhile.

        Returns
        -------
        What was saved, and what was left out.

        Raises
        ------
        InputError for a folder that is there already or cannot be written; WorkspaceError for a damaged culture;
        ConflictError for one that others write all the time. Nothing is left of a backup that failed.
        """
        from calcigraph.backing import check_out, save

        check_out(Path(out))
        return save(self.graph, self._movies, Path(out), progress)

    def restore(self, backup: str | Path, *, progress: Progress = silent) -> list[str]:
        """Fill this workspace, which must be new, from a backup; with NEO4J_URI, the graph of that server.

        Returns
        -------
        The cultures.

        Raises
        ------
        NotFoundError for no backup; WorkspaceError for a damaged one, or no room; InputError for a workspace that is
        there already; ConflictError where the server has another culture of such a name.
        """
        from calcigraph.backing import restore

        self.close()
        return restore(Path(backup), self.folder, progress)

    def simulate(self, out: str, options: SyntheticOptions, *, progress: Progress = silent) -> dict[str, Any]:
        """Write a synthetic movie OUT.tif with OUT_labels.tif and OUT_truth.json; needs no graph.

        Options that spoil the masks add OUT_masks.tif: the masks as a user would have them.

        Returns
        -------
        The truth: k, feed per label, border flags, contacts (models/synthetic/ground_truth.py says in which units).
        """
        from calcigraph.simulation import write_simulation

        return write_simulation(out, options, progress)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
