"""The quantities of cells that a report colours the map by, lists in its table and counts in histograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from calcigraph.pictures.misfits import misfit
from calcigraph.report.culture import ModelFit, ReportCulture
from calcigraph.store.types import FloatArray

SQUARED = "²"
ERROR_ALONE = "error without own activity"
TOLD = frozenset({"k", "k_cell", "feed", "mse_train", "mse_test"})
"""Parameters that are named here; what else a model gives keeps its own name."""


@dataclass(frozen=True)
class Quantity:
    """One number of each cell, NaN where it is not known; each array is (n,)."""

    key: str
    """Unique in its culture."""
    name: str
    unit: str
    """"" for a count or a ratio."""
    values: FloatArray
    low: FloatArray | None = None
    """End of the 95 % interval."""
    high: FloatArray | None = None
    shared: float | None = None
    """The culture's value."""
    signed: bool = False
    histogram: bool = False
    listed: bool = False
    """Whether the table has a column for it; the panel of a cell lists all."""
    palette: str = "viridis"

    @property
    def label(self) -> str:
        """Name and unit, as on an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def quantities_of(culture: ReportCulture) -> tuple[Quantity, ...]:
    """What is known of the cells of a culture, and finite in one of them at least."""
    found = (*_fitted(culture), *_fired(culture), *_coming(culture), *_anomaly(culture), *_seen(culture))
    return tuple(each for each in found if np.isfinite(each.values).any())


def _fitted(culture: ReportCulture) -> Iterator[Quantity]:
    for place, fit in enumerate(culture.fits):
        of = "" if len(culture.fits) == 1 else f", {fit.model}"
        first = place == 0
        name = fit.data.coupling()[1]
        yield _with_interval(fit, name, f"coupling k{of}", "1/s", first, shared=fit.data.k)
        feed = "a.u./s" if fit.data.from_traces else "1/s"
        yield _with_interval(fit, "feed", f"feed{of}", feed, first, shared=fit.data.feed, signed=True)
        squared = f"{intensity_unit(culture)}{SQUARED}"
        for key, what in (("mse_train", ERROR_ALONE), ("mse_test", f"{ERROR_ALONE}, after the fitted frames")):
            yield Quantity(
                key=f"{fit.model}_{key}",
                name=f"{what}{of}",
                unit=squared,
                values=fit.data.values(key),
                palette="cividis",
            )
        if fit.data.sourced:
            yield Quantity(
                key=f"{fit.model}_misfit",
                name=f"fit against trace{of}",
                unit="× noise",
                values=misfit(fit.data),
                histogram=first,
                palette="cividis",
            )
        yield from _others(fit, of)


def _others(fit: ModelFit, of: str) -> Iterator[Quantity]:
    """What else a model gives its cells, where it is a number and differs between them."""
    for key in fit.data.cells:
        parameter = key.removeprefix(f"{fit.model}_")
        base = parameter.removesuffix("_low").removesuffix("_high")
        values = fit.data.values(parameter)
        finite = values[np.isfinite(values)]
        if base in TOLD or base != parameter or not len(finite) or np.ptp(finite) == 0:
            continue
        unit = "1/s" if parameter == "leak" else ""
        yield Quantity(key=key, name=f"{parameter.replace('_', ' ')}{of}", unit=unit, values=values)


def _with_interval(
    fit: ModelFit, parameter: str, name: str, unit: str, first: bool, *, shared: float | None, signed: bool = False
) -> Quantity:
    low, high = fit.data.interval(parameter)
    known = bool(np.isfinite(low).any() or np.isfinite(high).any())
    return Quantity(
        key=f"{fit.model}_{parameter}",
        name=name,
        unit=unit,
        values=fit.data.values(parameter),
        low=low if known else None,
        high=high if known else None,
        shared=shared,
        signed=signed,
        histogram=first or parameter != "feed",
        listed=first,
    )


def _fired(culture: ReportCulture) -> Iterator[Quantity]:
    unit = intensity_unit(culture)
    for key, name, of, shown in (
        ("event_rate_per_h", "event rate", "1/h", True),
        ("events", "events", "", False),
        ("amplitude", "amplitude of events", unit, False),
        ("dff", "dF/F0 at the peaks", "", False),
        ("interval_s", "time between events", "s", False),
        ("own_share", "own share of the rises", "", False),
        ("noise", "noise of a frame", unit, False),
    ):
        if key in culture.rates:
            yield Quantity(
                key=key,
                name=name,
                unit=of,
                values=culture.rates[key],
                histogram=key in ("event_rate_per_h", "amplitude"),
                listed=shown,
                palette="cividis",
            )
    if any(wave.kind == "wave" for wave in (culture.data.firing.waves if culture.data.firing else ())):
        yield Quantity(
            key="started", name="waves begun", unit="", values=_of_labels(culture, culture.started, 0.0),
            palette="cividis",
        )  # fmt: skip


def _coming(culture: ReportCulture) -> Iterator[Quantity]:
    """What is forecast of the cells."""
    if culture.forecast is None:
        return
    for key, name in (
        ("probability", f"lights up within {culture.forecast['within_s']:g} s"),
        ("skill_1", "skill of the forecast, 1 frame ahead"),
    ):
        known = {int(row["label"]): row[key] for row in culture.coming if row[key] is not None}
        yield Quantity(
            key=f"forecast_{key}",
            name=name,
            unit="probability" if key == "probability" else "",
            values=_of_labels(culture, known, np.nan),
            signed=key != "probability",
            listed=key == "probability",
            palette="cividis",
        )


def _anomaly(culture: ReportCulture) -> Iterator[Quantity]:
    """How far the cells that depart are from the others; NaN for cells as they should be."""
    worst = {
        int(row["label"]): max(abs(row[name]) for name in ("z_culture", "z_neighbours") if row[name] is not None)
        for row in culture.anomalies
    }
    yield Quantity(
        key="anomaly",
        name="anomaly",
        unit="robust deviations",
        values=_of_labels(culture, worst, np.nan),
        listed=True,
        palette="cividis",
    )


def _seen(culture: ReportCulture) -> Iterator[Quantity]:
    graph, step = culture.data.subgraph, culture.data.pixel_size_um
    if graph.area_px is not None:
        area = graph.area_px * (step or 1.0) ** 2
        yield Quantity(key="area", name="area", unit="µm²" if step else "px²", values=area, listed=True)
    counts = np.bincount(graph.pairs.ravel(), minlength=len(graph.labels)).astype(np.float64)
    yield Quantity(key="neighbours", name="contacts", unit="", values=counts, listed=True)


def _of_labels(culture: ReportCulture, values: Mapping[int, float], other: float) -> FloatArray:
    return np.array([values.get(label, other) for label in culture.data.subgraph.labels.tolist()], dtype=np.float64)


def intensity_unit(culture: ReportCulture) -> str:
    """The unit of the traces."""
    return "a.u." if culture.data.from_traces else "norm. intensity"
