"""Traces without positions: with `--unconnected` events, rates and comparisons work, and k is said to be unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calcigraph import TraceOptions, Workspace
from calcigraph.cli.app import run
from calcigraph.errors import FitError, InputError
from calcigraph.ingest import ingest_traces

CELLS, FRAMES, STEP = 7, 160, 2.0


def table(path: Path, seed: int, positions: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A wide table of traces with three rises a cell; the traces and the frames of the rises."""
    rng = np.random.default_rng(seed)
    traces, starts = 100 + rng.normal(0, 0.5, (CELLS, FRAMES)), np.sort(rng.integers(15, 140, (CELLS, 3)), axis=1)
    for row, places in zip(traces, starts, strict=True):
        for start in places:
            row[start:] += 40 * np.exp(-np.arange(FRAMES - start) / 6)
    names = [f"ROI_{cell + 1}" for cell in range(CELLS)]
    lines = [",".join(["time_s", *names])]
    lines += [",".join([f"{STEP * t:g}", *(f"{value:.4f}" for value in traces[:, t])]) for t in range(FRAMES)]
    path.write_text("\n".join(lines))
    if positions:
        rows = [f"{name},{rng.uniform(0, 50):.1f},{rng.uniform(0, 50):.1f}" for name in names]
        path.with_name("places.csv").write_text("\n".join(["cell,x,y", *rows]))
    return traces, starts


def test_all_but_coupling_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--workspace", str(tmp_path / "w")]
    table(tmp_path / "a.csv", 0)
    command = [*words, "ingest-traces", str(tmp_path / "a.csv"), "--culture", "a", "--condition", "x"]
    assert run(command) == 1
    assert "or --unconnected, if events alone are wanted" in capsys.readouterr().err
    assert run([*command, "--unconnected"]) == 0
    told = capsys.readouterr().err
    assert "positions: none are known, so cells have no contacts (--unconnected)" in told
    assert "culture a: 7 cells (7 inner), 0 contacts, 160 frames" in told
    assert run([*words, "fit", "a"]) == 1
    assert "culture a has no contacts, so no coupling can be fitted; ingest it with masks" in capsys.readouterr().err
    assert run([*words, "query", "fits", "a"]) == 0
    assert "culture a has no contacts (--unconnected), so nothing is known of coupling" in capsys.readouterr().err
    traces, starts = table(tmp_path / "f.csv", 1)
    with Workspace(tmp_path / "w") as opened:
        opened.ingest_traces(str(tmp_path / "f.csv"), "f", condition="y", unconnected=True)
        for name in "af":
            assert not any("own shares" in each for each in opened.events(name).advice)
        assert "event rate" in opened.compare(["a", "f"]).to_csv()
        opened.picture("a", "raster", str(tmp_path / "a.png"))
        graph = opened.subgraph("f")
        np.testing.assert_allclose(graph.intensity, traces, atol=1e-4)
        assert (len(graph.pairs), graph.border.any()) == (0, False)
        onsets = [row["onset_s"] for row in opened.rows("events", culture="f")[1] if row["label"] == 1]
        first = STEP * starts[0, 0]
        assert min(abs(onset - first) for onset in onsets) < STEP
        with pytest.raises(FitError, match="no contacts"):
            opened.fit("f", "pinn")


def test_positions_stay_where_there_are_any(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", 0, positions=True)
    given = TraceOptions(positions=str(tmp_path / "places.csv"))
    plain = ingest_traces(str(tmp_path / "a.csv"), culture="a", options=given)
    apart = ingest_traces(
        str(tmp_path / "a.csv"), culture="a", options=TraceOptions(positions=given.positions, unconnected=True)
    )
    assert len(plain.contacts) > 0
    assert len(apart.contacts) == 0
    np.testing.assert_array_equal(apart.cells.x_px, plain.cells.x_px)
    assert apart.culture.input_digest != plain.culture.input_digest
    assert apart.culture.options["contacts"] == "none"
    assert "positions" not in apart.culture.options


def test_what_excludes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--unconnected and --max-distance exclude each other"):
        TraceOptions(unconnected=True, max_distance_px=5.0)
