"""What is known of each culture that is compared: its latest fit, its events and waves, its forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.errors import NotFoundError, command, spelt
from calcigraph.queries.fired import Fired, stored_events
from calcigraph.queries.fitted import Fitted, latest_fits
from calcigraph.queries.foreseen import Foreseen, stored_forecasts
from calcigraph.queries.library import Reader, fetch, load
from calcigraph.store.types import FloatArray


@dataclass(frozen=True)
class Observed:
    """One culture. Of those that are compared together, all have a fit or none, and so with events and forecasts."""

    culture: str
    experiment: str | None
    condition: str | None
    annotations: Mapping[str, Any]
    """What `calcigraph annotate` said of it."""
    cells: int
    """All cells of the culture, border cells included."""
    fitted: Fitted | None
    fired: Fired | None
    foreseen: Foreseen | None

    @property
    def values(self) -> Mapping[str, float]:
        """The culture's value of each quantity that it has (queries/quantities.py)."""
        fitted = self.fitted.medians if self.fitted is not None else {}
        others = (part.values for part in (self.fired, self.foreseen) if part is not None)
        return {**fitted, **{name: value for values in others for name, value in values.items()}}

    @property
    def spreads(self) -> Mapping[str, float]:
        """Robust deviations within the culture, by quantity."""
        parts = (part.spreads for part in (self.fitted, self.fired) if part is not None)
        return {name: value for part in parts for name, value in part.items()}

    @property
    def gain(self) -> float | None:
        """Normalised intensity per unit of log(raw + 1)."""
        return next((part.gain for part in (self.fitted, self.fired, self.foreseen) if part is not None), None)

    @property
    def weight_scale(self) -> float | None:
        """What the raw weights of the contacts were divided by in the fit."""
        return self.fitted.weight_scale if self.fitted is not None else None

    @property
    def recording(self) -> dict[str, Any]:
        """What of the recording biases estimates: its number of frames, and their interval."""
        if self.fitted is not None:
            return {name: self.fitted.facts.get(name) for name in ("frames", "frame_interval_s")}
        part = self.fired or self.foreseen
        return {} if part is None else {name: getattr(part, name) for name in ("frames", "frame_interval_s")}


def values_of(group: Sequence[Observed], quantity: str) -> FloatArray:
    """One value per culture that has the quantity."""
    return np.array([each.values[quantity] for each in group if quantity in each.values], dtype=np.float64)


def observe(graph: Reader, names: Sequence[str], model: str, stale: bool = False) -> tuple[list[Observed], list[str]]:
    """The cultures with what all of them have, in the order of the names, and notes on what is left out.

    Fits are left out unless every culture has one, and so are events and forecasts: a comparison that silently went
    over some of the cultures only would mislead.

    Parameters
    ----------
    graph
        Where the cultures are, complete.
    names
        Of the cultures.
    model
        Whose fits.
    stale
        Whether fits, events and forecasts of masks that were mended since count.

    Raises
    ------
    NotFoundError
        Neither a fit of the model, nor events, nor a forecast is known for all cultures.
    """
    fits, events = latest_fits(graph, names, model, stale), stored_events(graph, names, stale)
    forecasts = stored_forecasts(graph, names, stale)
    unfitted, quiet, unknown = ([name for name in names if name not in found] for found in (fits, events, forecasts))
    advice = f"run `{command('fit', unfitted, '--model', model)}`"
    older = [] if stale else _older(graph, model, unfitted, quiet, unknown)
    if unfitted and quiet and unknown:
        told = f" ({_of_older_masks(older)})" if older else ""
        others = _or(quiet, names, "events", "events") + _or(unknown, names, "forecast", "forecasts")
        raise NotFoundError(f"no fit of {model} is stored for {spelt(*unfitted)}{told}: {advice}{others}")
    notes = [_of_older_masks(older)] if older else []
    if fits and unfitted:
        notes.append(f"what {model} fits is left out, because it was not fitted to {spelt(*unfitted)}: {advice}")
    if events and quiet:
        looking = command("events", quiet)
        notes.append(f"events are left out, because none were looked for in {spelt(*quiet)}: run `{looking}`")
    if forecasts and unknown:
        asking = command("forecast", unknown)
        notes.append(f"forecasts are left out, because there is none of {spelt(*unknown)}: run `{asking}`")
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
            foreseen=None if unknown else forecasts[name],
        )
        for name in names
    ]
    return found, notes


def _of_older_masks(names: Sequence[str]) -> str:
    return f"what was found in {spelt(*names)} before the masks were mended is stale and left out; --stale takes it"


def _older(
    graph: Reader, model: str, unfitted: Sequence[str], quiet: Sequence[str], unknown: Sequence[str]
) -> list[str]:
    """Those of the cultures without fit, events or forecast that have one of older masks."""
    fits, events = latest_fits(graph, unfitted, model, True), stored_events(graph, quiet, True)
    return sorted({*fits, *events, *stored_forecasts(graph, unknown, True)})


def _or(missing: Sequence[str], names: Sequence[str], verb: str, what: str) -> str:
    """Where events or forecasts are known for some cultures: that those of the others would do as well."""
    return "" if len(missing) == len(names) else f", or `{command(verb, missing)}` to compare {what} alone"
