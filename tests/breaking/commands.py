"""The commands that write, each with what it starts from, on small recordings."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import tifffile

from calcigraph.cli.app import run

SIZE = ("--cells", "24", "--frames", "100", "--size", "96", "--k", "0.02", "--leak", "0.01", "--contact-waves", "1")
QUICK = ("--min-area", "20")
PLAN = """
[ingest]
min-area = 20
experiment = "planned"
[fit]
null = 0
[events]
[[cultures]]
files = "movie.tif"
name = "planned"
masks = "movie_labels.tif"
annotate = { dish = 3 }
"""


def commands(inputs: Path) -> dict[str, list[str]]:
    """The words of each command after --workspace; `kept` is a culture with fit, events and annotations."""
    movie, masks = str(inputs / "movie.tif"), str(inputs / "movie_labels.tif")
    of_new = ["--culture", "new", "--masks", masks, *QUICK, "--experiment", "E"]
    return {
        "ingest": ["ingest", movie, *of_new],
        "first ingest": ["ingest", movie, *of_new],
        "ingest --replace": ["ingest", movie, "--culture", "kept", "--masks", masks, *QUICK, "--trace-inset", "0",
                             "--replace"],
        "ingest-traces": ["ingest-traces", str(inputs / "traces.csv"), "--culture", "new", "--frame-interval", "10",
                          "--positions", str(inputs / "places.csv")],
        "fit": ["fit", "kept", "--model", "crlsm"],
        "events": ["events", "kept", "--min-snr", "8"],
        "annotate": ["annotate", "kept", "dose=2.5", "--cells", "1-12"],
        "curate": ["curate", "kept", "--masks", str(inputs / "mended.tif")],
        "delete": ["delete", "kept"],
        "export": ["export", "kept", "-o", "out", "--format", "csv", "--replace"],
        "export of a file": ["export", "kept", "-o", "out.geojson"],
        "run": ["run", str(inputs / "plan.toml")],
        "forecast": ["forecast", "kept"],
        "backup": ["backup", "saved"],
        "restore": ["restore", str(inputs / "backup")],
        "migrate": ["migrate"],
        "verify --repair": ["verify", "--repair"],
        "repair of a graph": ["verify", "--repair"],
    }  # fmt: skip


def make_inputs(folder: Path) -> Path:
    """Write a movie with labels, mended labels, a table of traces and a plan."""
    folder.mkdir(parents=True)
    with redirect_stderr(io.StringIO()):
        assert run(["simulate", str(folder / "movie.tif"), *SIZE, "--seed", "4"]) == 0
    labels = tifffile.imread(folder / "movie_labels.tif")
    mended = labels.copy()
    mended[mended == 5] = 0
    row, column = np.nonzero(mended == 9)
    mended[row[:30], column[:30]] = 0
    tifffile.imwrite(folder / "mended.tif", mended)
    rng = np.random.default_rng(0)
    table = 100 + np.cumsum(rng.normal(0, 1, (60, 6)), axis=0)
    np.savetxt(folder / "traces.csv", table, delimiter=",", header="1,2,3,4,5,6", comments="", fmt="%.4f")
    places = "".join(f"{cell},{10 * (cell % 3)},{10 * (cell // 3)}\n" for cell in range(1, 7))
    (folder / "places.csv").write_text("cell,x,y\n" + places)
    (folder / "plan.toml").write_text(PLAN)
    return folder
