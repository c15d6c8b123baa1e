"""How fast a report is in a headless Chromium: size, first paint, a step of the slider, a click on a cell.

    python benchmarks/report.py [--cells 1000] [--frames 361] [--out FILE.html]

A synthetic culture of that many cells, with fits of two models and events, is stored in a temporary workspace and
reported on. A step of the slider is timed from the change to the picture on the screen (two turns of the browser's
own loop), and beside it the baseline: the same cells as filled polygons of Bokeh that are coloured anew.
Needs Chromium and Playwright (group test).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from calcigraph import FitOptions, SyntheticOptions, Workspace
from calcigraph.ingest.polygons import outlines
from calcigraph.models import make_culture
from calcigraph.store.types import Cells, Contacts, Culture, CultureData

NAME = "benchmark"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
STEPS = 30
LIMITS = {"size, MB": 12.0, "first paint, s": 2.0, "map is there, s": 2.0, "slider step, ms": 50.0}

STEP = """async ([what, steps]) => {
  const turn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  const times = [];
  const slider = document.getElementById("frame");
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    if (what === "frame") { slider.value = 7 * (i + 1); slider.dispatchEvent(new Event("input")); }
    else if (what === "cell") { document.getElementById("after").click(); }
    else {
      const source = Bokeh.documents[0].get_model_by_name("patches");
      source.data.value = source.data.value.map(() => Math.random());
      source.change.emit();
    }
    await turn();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(steps / 2)];
}"""


def recording(cells: int, frames: int) -> CultureData:
    """A synthetic culture as an ingest would store it, without its movie."""
    side = int(49 * cells**0.5)
    made = make_culture(SyntheticOptions(cells=cells, frames=frames, size_px=side, k=0.01, leak=0.01, waves=3, seed=1))
    graph = made.subgraph()
    dense = np.searchsorted(np.r_[0, graph.labels], made.labels).astype(np.int32)
    ends = graph.labels[graph.pairs]
    culture = Culture(
        uid=NAME, experiment=None, condition=None, frames=frames, frame_interval_s=graph.frame_interval_s,
        pixel_size_um=0.65, height_px=side, width_px=side, movie=None, masks="file:labels.tif", input_digest="0",
        options={}, intensity_offset=0.0, intensity_gain=1.0, bleaching=None, shift_px=None, saturated=None,
        warnings=(), created="2026-01-01T00:00:00+00:00", version="0",
    )  # fmt: skip
    body = Cells(
        labels=graph.labels, area_px=np.asarray(graph.area_px), x_px=graph.x_px, y_px=graph.y_px, border=graph.border,
        polygons=outlines(dense, len(graph.labels)), intensity=graph.intensity, flags=("",) * len(graph.labels),
    )  # fmt: skip
    contacts = Contacts(ends[:, 0], ends[:, 1], graph.shared_border_px, graph.centroid_distance_px)
    return CultureData(culture, body, contacts)


def written(data: CultureData, out: Path) -> float:
    """Store, fit, look for events and report; returns the seconds that the report took."""
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "ws") as workspace:
        workspace.make_folder()
        workspace.graph.write_culture(data)
        for model in ("robust", "crlsm"):
            workspace.fit(NAME, model, FitOptions(null=0))
        workspace.events(NAME)
        start = time.perf_counter()
        workspace.report([NAME], str(out))
        return time.perf_counter() - start


def baseline(path: Path, data: CultureData) -> None:
    """A page with the outlines of the same cells as filled polygons, which Bokeh colours by a column."""
    from bokeh.models import ColumnDataSource, LinearColorMapper
    from bokeh.plotting import figure, output_file, save

    corners = [
        shapely.get_coordinates(shape) for shape in shapely.from_wkt(np.array(data.cells.polygons, dtype=object))
    ]
    columns = {"xs": [part[:, 0] for part in corners], "ys": [part[:, 1] for part in corners]}
    source = ColumnDataSource(columns | {"value": [0.5] * len(corners)}, name="patches")
    plot = figure(width=600, height=600)
    colour = {"field": "value", "transform": LinearColorMapper(palette="Viridis256", low=0, high=1)}
    plot.patches("xs", "ys", source=source, fill_color=colour, line_color="white")
    output_file(path, mode="inline")
    save(plot)


@contextmanager
def browser() -> Iterator[Any]:
    """A page of a headless Chromium."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit("no Chromium was found: install one")
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running.new_page(viewport={"width": 1400, "height": 900})
        running.close()


def measured(path: Path, patches: Path) -> dict[str, float]:
    """Times in a headless browser."""
    with browser() as page:
        start = time.perf_counter()
        page.goto(path.absolute().as_uri())
        page.wait_for_function("document.documentElement.dataset.ready !== undefined")
        ready = time.perf_counter() - start
        page.wait_for_function("document.documentElement.dataset.ready === 'all'")
        complete = time.perf_counter() - start
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        step, cell = (page.evaluate(STEP, [what, STEPS]) for what in ("frame", "cell"))
        page.goto(patches.absolute().as_uri())
        page.wait_for_function("Bokeh.documents.length && Bokeh.documents[0].is_idle")
        filled = page.evaluate(STEP, ["patches", STEPS])
    return {
        "size, MB": path.stat().st_size / 1e6,
        "first paint, s": paint,
        "map is there, s": ready,
        "all is there, s": complete,
        "slider step, ms": step,
        "click on a cell, ms": cell,
        "baseline, polygons, ms": filled,
        "baseline / step": filled / step,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=361)
    parser.add_argument("--out", type=Path, help="where the report stays")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.out or Path(folder) / "report.html"
        data, patches = recording(asked.cells, asked.frames), Path(folder) / "patches.html"
        baseline(patches, data)
        writing = written(data, path)
        print(f"{asked.cells} cells x {asked.frames} frames; written in {writing:.1f} s")
        for name, value in measured(path, patches).items():
            limit = f"   (limit {LIMITS[name]:g})" if name in LIMITS else ""
            print(f"{name:<24}{value:8.2f}{limit}")


if __name__ == "__main__":
    main()
