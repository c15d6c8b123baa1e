"""The model traces that a report draws beside the observed one: what they are called, how they look, their values.

Of a model that finds what cells release by themselves (`robust`, `decorrelation`), the run with these sources is the
main line, as in the picture of traces. The run of coupling and feed alone misses every event by design, so it is thin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcigraph.report.culture import ModelFit, ReportCulture
from calcigraph.report.encode import Packed, quantised
from calcigraph.store.types import FloatArray

COLOURS, OF_NETWORK = ("#d55e00", "#0072b2", "#009e73", "#e69f00"), "#cc79a7"
"""Of the models, in turn; a colour-blind reader can tell them apart."""
OWN, ALONE, NETWORK = "with the cell's own activity", "coupling and feed alone", "its network, trained on the trace"
COARSE_BITS = 8
"""Of a value of a thin line."""


@dataclass(frozen=True)
class Line:
    """One model trace of the chosen cell."""

    key: str
    """Unique in the page, such as "robust:run"."""
    name: str
    """In the legend."""
    colour: str
    thin: bool = False
    hidden: bool = False
    """Whether it is shown only where its box is ticked."""

    def plain(self) -> dict[str, Any]:
        """For the page's script."""
        return {"key": self.key, "name": self.name, "colour": self.colour, "thin": self.thin, "hidden": self.hidden}


def lines_of(cultures: Sequence[ReportCulture]) -> tuple[Line, ...]:
    """The lines of all cultures of a page. Those of a model that is no culture's first one are hidden at first."""
    models = list(dict.fromkeys(fit.model for culture in cultures for fit in culture.fits))
    colours = {model: COLOURS[place % len(COLOURS)] for place, model in enumerate(models)}
    first = {culture.fits[0].model for culture in cultures if culture.fits}
    found: dict[str, Line] = {}
    for fit in (fit for culture in cultures for fit in culture.fits):
        for kind, what, _ in _traces(fit):
            found[f"{fit.model}:{kind}"] = Line(
                key=f"{fit.model}:{kind}",
                name=f"{fit.model}: {what}",
                colour=OF_NETWORK if kind == "network" else colours[fit.model],
                thin=kind == "free",
                hidden=fit.model not in first,
            )
    return tuple(found.values())


def packed_lines(culture: ReportCulture, bits: int) -> dict[str, Packed]:
    """By key, the traces of the cells that have one, with so many bits a value; thin ones with 8."""
    found = {}
    for fit in culture.fits:
        for kind, _, traces in _traces(fit):
            rows = [fit.data.row(label) for label in traces]
            values = quantised(np.array(list(traces.values())), COARSE_BITS if kind == "free" else bits)
            found[f"{fit.model}:{kind}"] = values.packed(rows)
    return found


def _traces(fit: ModelFit) -> Iterator[tuple[str, str, Mapping[int, FloatArray]]]:
    """Kind, what it is called, and the traces by label."""
    data = fit.data
    if data.sourced:
        yield "run", OWN, {label: each.run for label, each in data.sourced.items()}
        yield "free", ALONE, data.traces
    elif data.traces:
        yield "run", ALONE, data.traces
    if data.network:
        yield "network", NETWORK, data.network
