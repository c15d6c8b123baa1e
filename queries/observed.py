"""What is known of each culture that is compared: its latest fit, its events and waves, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.errors import NotFoundError, command, spelt
from calcigraph.queries.fired import Fired, stored_events
from calcigraph.queries.fitted import Fitted, latest_fits
from calcigraph.queries.library import Reader, fetch, load
from calcigraph.store.types import FloatArray


@dataclass(frozen=True)
class Observed:
    """One culture. Of those that are compared together, all have a fit or none, and all have events or none."""

    culture: str
    experiment: str | None
    condition: str | None
    annotations: Mapping[str, Any]
    """What `calcigraph annotate` said of it."""
    cells: int
    """All cells of the culture, border cells included."""
    fitted: Fitted | None
    fired: Fired | None

    @property
    def values(self) -> Mapping[str, float]:
        """The culture's value of each quantity that it has (queries/quantities.py)."""
        fitted = self.fitted.medians if self.fitted is not None else {}
        return {**fitted, **(self.fired.values if self.fired is not None else {})}

    @property
    def spreads(self) -> Mapping[str, float]:
        """Robust deviations within the culture, by quantity."""
        parts = (part.spreads for part in (self.fitted, self.fired) if part is not None)
        return {name: value for part in parts for name, value in part.items()}

    @property
    def gain(self) -> float | None:
        """Normalised intensity per unit of log(raw + 1)."""
        return self.fitted.gain if self.fitted is not None else self.fired.gain if self.fired is not None else None

    @property
    def weight_scale(self) -> float | None:
        """What the raw weights of the contacts were divided by in the fit."""
        return self.fitted.weight_scale if self.fitted is not None else None

    @property
    def recording(self) -> dict[str, Any]:
        """What of the recording biases estimates: its number of frames, and their interval."""
        if self.fitted is not None:
            return {name: self.fitted.facts.get(name) for name in ("frames", "frame_interval_s")}
        return (
            {} if self.fired is None else {name: getattr(self.fired, name) for name in ("frames", "frame_interval_s")}
        )


def values_of(group: Sequence[Observed], quantity: str) -> FloatArray:
    """One value per culture that has the quantity."""
    return np.array([each.values[quantity] for each in group if quantity in each.values], dtype=np.float64)


def observe(graph: Reader, names: Sequence[str], model: str, stale: bool = False) -> tuple[list[Observed], list[str]]:
    """The cultures with what all of them have, in the order of the names, and notes on what is left out.

    Fits are left out unless every culture has one, and so are events: a comparison that silently went over some of the
    cultures only would mislead.

    Parameters
    ----------
    graph
        Where the cultures are, complete.
    names
        Of the cultures.
    model
        Whose fits.
    stale
        Whether fits and events of masks that were mended since count.

    Raises
    ------
    NotFoundError
        Neither a fit of the model nor events are known for all cultures.
    """
    fits, events = latest_fits(graph, names, model, stale), stored_events(graph, names, stale)
    unfitted, quiet = ([name for name in names if name not in found] for found in (fits, events))
    advice = f"run `{command('fit', unfitted, '--model', model)}`"
    older = [] if stale else sorted({*latest_fits(graph, unfitted, model, True), *stored_events(graph, quiet, True)})
    if unfitted and quiet:
        told = f" ({_of_older_masks(older)})" if older else ""
        raise NotFoundError(
            f"no fit of {model} is stored for {spelt(*unfitted)}{told}: {advice}{_or_events(quiet, names)}"
        )
    notes = [_of_older_masks(older)] if older else []
    if fits and unfitted:
        notes.append(f"what {model} fits is left out, because it was not fitted to {spelt(*unfitted)}: {advice}")
    if events and quiet:
        looking = command("events", quiet)
        notes.append(f"events are left out, because none were looked for in {spelt(*quiet)}: run `{looking}`")
    known = {row["culture"]: row for row in fetch(graph, load("cultures"), {})}
    found = [
        Observed(
            culture=name,
            experiment=known[name]["experiment"],
            condition=known[name]["condition"],
            annotations=dict(known[name]["annotations"]),
            cells=known[name]["cells"],
            fitted=None if unfitted else fits[name],
            fired=None if quiet else events[name],
        )
        for name in names
    ]
    return found, notes


def _of_older_masks(names: Sequence[str]) -> str:
    return f"what was found in {spelt(*names)} before the masks were mended is stale and left out; --stale takes it"


def _or_events(quiet: Sequence[str], names: Sequence[str]) -> str:
    """Where events are known for some cultures: that those of the others would do as well."""
    if len(quiet) == len(names):
        return ""
    return f", or `{command('events', quiet)}` to compare events alone"
