"""`picture` and `compare --plot` on the command line, on simulated cultures with fits, and on one from traces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from calcigraph.cli.app import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the fitted movies a and b of two conditions, and t, which came as traces and has no fit."""
    folder = tmp_path_factory.mktemp("pictures")
    base = ["--workspace", str(folder / "ws")]
    for name, k in (("a", "0.02"), ("b", "0.005")):
        size = ["--cells", "30", "--frames", "60", "--size", "256", "--k", k, "--seed", "3"]
        assert run(["simulate", str(folder / f"{name}.tif"), *size]) == 0
        words = ["--culture", name, "--condition", f"dish {name}", "--masks", str(folder / f"{name}_labels.tif")]
        assert run([*base, "ingest", str(folder / f"{name}.tif"), *words]) == 0
    assert run([*base, "fit", "a", "b", "--null", "0"]) == 0
    table = [f"Mean{n},XM{n},YM{n}" for n in range(1, 10)]
    rng = np.random.default_rng(0)
    rows = [",".join(f"{100 + rng.random():.3f},{20 * (n % 3)},{20 * (n // 3)}" for n in range(9)) for _ in range(30)]
    (folder / "t.csv").write_text("\n".join([",".join(table), *rows]))
    assert run([*base, "ingest-traces", str(folder / "t.csv"), "--culture", "t", "--frame-interval", "5"]) == 0
    return folder


Draw = Callable[..., tuple[int, str]]


@pytest.fixture
def draw(folder: Path, capsys: pytest.CaptureFixture[str]) -> Draw:
    def drawn(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(["--workspace", str(folder / "ws"), *words])
        return code, capsys.readouterr().err

    return drawn


def test_pictures_are_drawn_with_all_their_options(folder: Path, tmp_path: Path, draw: Draw) -> None:
    inner = _inner(folder)
    few, one = f"{inner[0]},{inner[1]}", str(inner[2])
    for at, words in enumerate(
        (
            ["a", "traces", "--cell", few, "--cell", one],
            ["a", "traces", "--width", "single"],
            ["a", "error", "--cell", few],
            ["a", "contacts", "--width", "120"],
            ["a", "raster", "--dff"],
            ["t", "raster", "--cell", "1-3"],
        )
    ):
        path = tmp_path / f"{at}.png"
        assert draw("picture", *words, "-o", str(path), "--dpi", "100") == (0, f"wrote {path}\n")
    widths = [imread(tmp_path / f"{at}.png").shape[1] for at in range(6)]
    assert widths == [720, 350, 720, 472, 720, 720]


def test_a_film_is_written_of_movie_and_of_cells(tmp_path: Path, draw: Draw) -> None:
    av = pytest.importorskip("av")
    for name, words in (("movie", []), ("cells", ["--show", "cells", "--fps", "10", "--cell", "3"]), ("t", [])):
        path = tmp_path / f"{name}.mp4"
        culture = "t" if name == "t" else "a"
        assert draw("picture", culture, "film", *words, "-o", str(path), "--dpi", "60") == (0, f"wrote {path}\n")
        with av.open(str(path)) as film:
            assert sum(1 for _ in film.decode(video=0)) == (30 if name == "t" else 60)
    assert (tmp_path / "movie.mp4").read_bytes() != (tmp_path / "cells.mp4").read_bytes()


def test_a_comparison_is_drawn_beside_its_sentences(folder: Path, tmp_path: Path, draw: Draw) -> None:
    path = tmp_path / "plot.svg"
    assert (
        run(["--workspace", str(folder / "ws"), "compare", "a", "b", "--reference", "dish b", "--plot", str(path)]) == 0
    )
    text = path.read_text()
    assert text.index(">dish b<") < text.index(">dish a<")
    assert "not tested" in text
    code, said = draw("compare", "a", "b", "--plot", str(tmp_path / "plot.doc"))
    assert (code, said.count("\n")) == (1, 1)
    assert ".png, .pdf or .svg" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["t", "traces"], "has no robust fit, which traces draws"),
        (["t", "error"], "has no robust fit, which error draws"),
        (["t", "contacts"], "has no robust fit, which contacts draws"),
        (["t", "film", "--show", "movie"], "has no movie: `--show cells` films its cells"),
        (["a", "traces", "--cell", "3,x"], "--cell '3,x': expected labels and ranges of labels"),
        (["a", "traces", "--cell", "3,999"], "has no cell 999"),
        (["a", "cells", "--dpi", "20"], "dpi is 20, expected 50 to 1200"),
        (["a", "cells", "--width", "wide"], "width is 'wide', expected single, double or 80 to 400 mm"),
        (["a", "cells", "--fps", "10"], "--show and --fps are for a film, not for cells"),
        (["a", "cells", "--dff"], "--dff is for raster, not for cells"),
        (["a", "film", "--dff"], "a film has neither --dff nor --wave"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(tmp_path: Path, words: list[str], says: str, draw: Draw) -> None:
    code, said = draw("picture", *words, "-o", str(tmp_path / ("a.mp4" if "film" in words else "a.png")))
    assert code == 1
    assert says in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_run_with_sources_is_nearer_to_the_data_than_the_free_run(folder: Path) -> None:
    from calcigraph import Workspace
    from calcigraph.pictures import picture_data
    from calcigraph.pictures.misfits import misfit

    with Workspace(folder / "ws") as workspace:
        data = picture_data(workspace.graph, workspace.culture("a"), None, "error", "robust", 0)
    assert list(data.sourced) == list(data.traces)
    values = misfit(data)[~data.subgraph.border]
    assert np.nanmedian(values) < 1.5
    free = [
        np.sqrt(((data.traces[label] - data.subgraph.intensity[data.row(label)]) ** 2).mean()) for label in data.traces
    ]
    found = [
        np.sqrt(((each.run - data.subgraph.intensity[data.row(label)]) ** 2).mean())
        for label, each in data.sourced.items()
    ]
    assert np.median(found) < 0.2 * np.median(free)


def _inner(folder: Path) -> list[int]:
    from calcigraph import Workspace

    with Workspace(folder / "ws") as workspace:
        graph = workspace.subgraph("a")
    return [int(label) for label in graph.labels[~graph.border]]
