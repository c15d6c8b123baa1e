"""The one place where ingest, graph, models and queries meet: pull, compute, write back. The Python interface too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calcigraph.giving import Giving, check_model
from calcigraph.models.table import DEFAULT_MODEL
from calcigraph.store.types import Fit, Progress, silent
from calcigraph.version import __version__

if TYPE_CHECKING:
    import pandas

    from calcigraph.models import FitOptions, Ranked, SyntheticOptions
    from calcigraph.models.event_options import EventOptions
    from calcigraph.plan import Plan
    from calcigraph.planned import Outcome
    from calcigraph.store.event_types import EventRun


class Workspace(Giving):
    """A folder with movies (OME-Zarr) and, unless NEO4J_URI names a server, the embedded graph.

    The graph is opened when something first needs it; use as a context manager, or call close().

    Parameters
    ----------
    folder
        The workspace; made when something is first stored. None: `default_folder()`.
    """

    # Plans.

    def plan(self, path: str | Path) -> Plan:
        """A plan, read from its file (TOML, see `calcigraph.plan`). Raises NotFoundError, InputError."""
        from calcigraph.plan import read_plan

        return read_plan(path)

    def run(
        self,
        plan: Plan,
        *,
        replace: bool = False,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> list[Outcome]:
        """Do what a plan says, culture by culture; one that fails does not stop the others. See `planned.carry_out`."""
        from calcigraph.planned import carry_out

        return carry_out(self, plan, replace, scheduler, progress)

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
        reference: str | None = None,
        stale: bool = False,
    ) -> pandas.DataFrame:
        """Compare what was fitted, events and waves; the unit is the culture. See `queries.compare_cultures`."""
        from calcigraph.queries import compare_cultures

        check_model(model)
        return compare_cultures(
            self.graph, list(cultures), experiment, by, model, allow_different_options, within, reference, stale
        )

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


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
