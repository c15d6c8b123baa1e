"""Cultures for reports on each engine, and a headless Chromium that opens them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecast_runs import build_forecast

from calcigraph.report import write_report
from calcigraph.store.event_types import EventRun
from calcigraph.store.graph import Graph
from calcigraph.store.types import CultureData, Fit

CREATED = "2026-01-02T03:04:05+00:00"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NASTY = '<script>window.ran = 1</script><img src=x onerror="window.ran = 2">'
"""A name that must be shown and must not run."""


@dataclass
class Opened:
    """A report in a browser."""

    page: Any
    errors: list[str] = field(default_factory=list)
    """What the page threw or wrote to the console as an error or a warning."""
    requests: list[str] = field(default_factory=list)
    """What it asked for, beside itself."""

    def source(self, name: str) -> dict[str, list[float]]:
        """The columns of a source of Bokeh."""
        script = """(name) => {
          for (const each of Bokeh.documents) {
            const found = each.get_model_by_name(name);
            if (found) return Object.fromEntries(Object.entries(found.data).map(([key, column]) =>
              [key, Array.from(column, (value) => typeof value === "object" ? Array.from(value) : value)]));
          }
        }"""
        found: dict[str, list[float]] = self.page.evaluate(script, name)
        return found

    def pixels(self) -> list[int]:
        """The colours of the map's picture, each once."""
        script = """() => [...new Set(Bokeh.documents.flatMap((each) => each.get_model_by_name("cells") || [])[0]
          .data.image[0])]"""
        found: list[int] = self.page.evaluate(script)
        return found

    def click_on_map(self, x: float, y: float) -> None:
        """Click at a place on the axes of the map."""
        script = """([x, y]) => {
          const plot = Bokeh.documents.flatMap((each) => each.get_model_by_name("map") || [])[0];
          const view = Bokeh.index.find_one(plot), box = view.el.getBoundingClientRect();
          return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)];
        }"""
        self.page.mouse.click(*self.page.evaluate(script, [x, y]))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium; tests skip where there is none."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no Chromium to open reports with: none of {', '.join(BROWSERS)} is installed")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (group test)")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def open_report(chromium: Any) -> Callable[..., Opened]:
    """A function that opens a file and waits until all of it is drawn."""

    def opening(path: Path, width: int = 1400, scheme: str = "light") -> Opened:
        narrow = width < 500
        height = 844 if narrow else 1000
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=narrow, is_mobile=narrow
        )
        page = context.new_page()
        opened = Opened(page)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        loud = ("error", "warning")
        page.on("console", lambda told: opened.errors.append(told.text) if told.type in loud else None)
        page.on("request", lambda asked: opened.requests.append(asked.url))
        page.goto(path.absolute().as_uri())
        page.wait_for_function("document.documentElement.dataset.ready === 'all'")
        opened.requests = [url for url in opened.requests if url != path.absolute().as_uri()]
        return opened

    return opening


def squares(data: CultureData) -> CultureData:
    """The same culture with an outline of its own for each cell: its square of the grid."""
    texts = []
    for x, y in zip((data.cells.x_px - 15).astype(int), (data.cells.y_px - 15).astype(int), strict=True):
        a, b = x + 30, y + 30
        texts.append(f"POLYGON (({x} {y}, {a} {y}, {a} {b}, {x} {b}, {x} {y}))")
    # A centroid is the centre of a pixel: that of pixels 0 to 29 is 14.5.
    cells = replace(data.cells, polygons=tuple(texts), x_px=data.cells.x_px - 0.5, y_px=data.cells.y_px - 0.5)
    return replace(data, cells=cells)


def fit_with_intervals(make_fit: Callable[..., Fit], data: CultureData, k: float, **values: Any) -> Fit:
    """A fit whose cells have intervals and words."""
    inner = int((~data.cells.border).sum())
    spread = 1 + 0.01 * np.arange(inner)
    cells = {"k_cell": k * spread, "k_cell_low": 0.9 * k * spread, "k_cell_high": 1.1 * k * spread}
    told = {"k_low": 0.9 * k, "k_high": 1.1 * k, "identified": "identified"}
    fit = make_fit(data, k=k, cells=cells, **told | values)
    return replace(fit, words=dict(fit.words) | {"identified": ("identified",) * inner})


@pytest.fixture(scope="module")
def reported(
    empty: Graph,
    make_culture: Callable[..., CultureData],
    make_fit: Callable[..., Fit],
    make_run: Callable[..., EventRun],
) -> Graph:
    """Cultures a and b of experiment E with fits, events and waves; "bare" has neither, "dots" came as traces."""
    for name, condition, k in (("a", NASTY, 0.011), ("b", "control", 0.022)):
        data = squares(make_culture(name, experiment="E", condition=condition, pixel_size_um=0.5))
        empty.write_culture(data)
        empty.write_fit(fit_with_intervals(make_fit, data, k), CREATED, "0.1.0")
        if name == "a":
            empty.write_fit(make_fit(data, model="crlsm", k=0.05), CREATED, "0.1.0")
        else:
            # A network that was trained on the first 8 of the 12 frames.
            curves = {"blocks": [], "traces": [[0.1 * row] * 8 for row in range(int((~data.cells.border).sum()))]}
            empty.write_fit(make_fit(data, model="pinn", k=0.03, curves=curves), CREATED, "0.1.0")
        empty.write_events(make_run(data), np.zeros((30, 12)), CREATED, "0.1.0")
        if name == "a":
            empty.write_forecast(build_forecast("a", data.cells.labels, trained_on=("b",)), CREATED, "0.1.0")
    empty.write_culture(squares(make_culture("bare", warnings=(f"unsteady {NASTY}",))))
    dots = make_culture("dots", borders=False, masks="traces", height_px=None, width_px=None)
    empty.write_culture(replace(dots, cells=replace(dots.cells, polygons=(None,) * 30)))
    return empty


@pytest.fixture(scope="module")
def report_of(reported: Graph, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that writes a report of some cultures, each report once."""
    folder, there = tmp_path_factory.mktemp("reports"), dict[tuple[str, ...], Path]()

    def writing(*names: str) -> Path:
        if names not in there:
            there[names] = write_report(reported, names, folder / f"{'-'.join(names)}.html")
        return there[names]

    return writing
