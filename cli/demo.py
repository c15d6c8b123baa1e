"""`calcigraph demo`: synthetic cultures from movie to comparison and waves, and what was found beside the truth."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from calcigraph.cli.output import Format, note, progress_bar, show
from calcigraph.errors import InputError
from calcigraph.workspace import Workspace

if TYPE_CHECKING:
    from calcigraph import IngestOptions, SyntheticOptions

EXPERIMENT = "demo"
CULTURES = {"demo-control": ("control", 0.02, 1), "demo-blocked": ("gap junctions blocked", 0.005, 2)}
"""Culture: (condition, true k in 1/s, seed)."""
WITH_WAVE, WAVE_SPEED = "demo-wave", 3.0
"""A third culture, whose cells pump calcium out, and through which a wave runs at so many px/s."""
PICTURES = ("frame", "outlines", "cells", "graph", "traces", "error", "parameters")


def demo(context: typer.Context) -> None:
    """Show the whole main job on synthetic cultures: movie to fitted, queried, compared graph, events and waves."""
    from calcigraph.queries import records

    workspace: Workspace = context.obj
    folder = workspace.make_folder("demo")
    if not isinstance(folder, Path):
        raise InputError(f"the demo writes movies and pictures into its workspace: give a folder, not {folder}")
    truths = {name: _bring_in(workspace, folder, name) for name in CULTURES}
    with progress_bar() as progress:
        for name in CULTURES:
            for advice in workspace.fit(name, progress=progress).advice:
                note(f"{name}: {advice}")
    _show_found(workspace, truths)
    for name in CULTURES:
        _show_anomalies(workspace, name)
    print("\nThe two conditions compared:")
    compared = records(workspace.compare(experiment=EXPERIMENT))
    columns = ["parameter", "group_a", "group_b", "n_a", "n_b", "median_a", "median_b", "ratio"]
    show(columns, compared, Format.table)
    print(compared[0]["note"])
    _, k_control, _ = CULTURES["demo-control"]
    _, k_blocked, _ = CULTURES["demo-blocked"]
    print(f"The true ratio of k, {compared[0]['group_b']} to {compared[0]['group_a']}, is {k_control / k_blocked:g}.")
    _show_wave(workspace, folder)
    pictures = [(name, kind) for name in CULTURES for kind in PICTURES]
    pictures += [(WITH_WAVE, kind) for kind in ("events", "waves")]
    with progress_bar() as progress:
        for done, (name, kind) in enumerate(pictures, start=1):
            workspace.picture(name, kind, str(folder / f"{name}-{kind}.png"))
            progress("pictures", done, len(pictures))
    _show_places(workspace, folder)


def _bring_in(workspace: Workspace, folder: Path, name: str) -> dict[str, Any]:
    """Simulate one culture and ingest its movie with Cellpose; returns the truth."""
    from calcigraph import IngestOptions, SyntheticOptions

    condition, k, seed = CULTURES[name]
    return _ingested(workspace, folder, name, SyntheticOptions(k=k, seed=seed), IngestOptions(EXPERIMENT, condition))


def _ingested(
    workspace: Workspace, folder: Path, name: str, simulated: SyntheticOptions, options: IngestOptions
) -> dict[str, Any]:
    """Write the movie of a synthetic culture and ingest it; returns the truth."""
    workspace.make_folder("demo")
    movie = str(folder / f"{name}.tif")
    with progress_bar() as progress:
        truth = workspace.simulate(movie, simulated, progress=progress)
        culture, _ = workspace.ingest(movie, name, options, progress=progress)
    for warning in culture.warnings:
        note(f"{name}: warning: {warning}")
    return truth


def _show_wave(workspace: Workspace, folder: Path) -> None:
    """Events and the wave of a culture whose wave is known."""
    from calcigraph import IngestOptions, SyntheticOptions

    simulated = SyntheticOptions(k=0.01, leak=0.01, waves=1, wave_speed=WAVE_SPEED, seed=1)
    truth = _ingested(workspace, folder, WITH_WAVE, simulated, IngestOptions())
    with progress_bar() as progress:
        found = workspace.events(WITH_WAVE, progress=progress)
    print(f"\n{WITH_WAVE}: {len(found.events)} events of {len(found.labels)} cells. Its waves:")
    columns = [
        "wave",
        "kind",
        "onset_s",
        "cells",
        "speed_px_s",
        "speed_low_px_s",
        "speed_high_px_s",
        "direction_deg",
        "p",
    ]
    show(columns, workspace.rows("waves", culture=WITH_WAVE)[1], Format.table)
    wave = truth["waves"][0]
    print(f"In truth one wave passes at {WAVE_SPEED:g} px/s, towards {wave['direction_deg']:.0f} degrees.")


def _show_found(workspace: Workspace, truths: dict[str, dict[str, Any]]) -> None:
    """Counts and coupling of each culture beside those it was simulated with."""
    print("\nWhat was found, beside the truth:")
    rows: list[dict[str, Any]] = []
    counts = {row["culture"]: row for row in workspace.rows("cultures")[1]}
    for name, truth in truths.items():
        found, border = counts[name], sum(truth["border"].values())
        fitted = workspace.rows("fits", culture=name)[1][-1]
        pairs = (
            ("cells", found["cells"], len(truth["border"])),
            ("inner cells", found["inner_cells"], len(truth["border"]) - border),
            ("contacts", found["contacts"], len(truth["contacts"])),
            ("coupling k (1/s)", fitted["k"], truth["k"]),
            ("k, 95 % from", fitted["k_low"], None),
            ("k, 95 % to", fitted["k_high"], None),
            ("is k identified?", fitted["identified"], None),
        )
        rows += [{"culture": name, "quantity": what, "found": value, "truth": true} for what, value, true in pairs]
    show(["culture", "quantity", "found", "truth"], rows, Format.table)
    print("Model robust gives spikes little weight; they bias the paper's least squares (fit --model crlsm) strongly.")
    print("Where Cellpose misplaces a border, the k of these cells differ more, and the interval of k becomes wider.")


def _show_anomalies(workspace: Workspace, name: str) -> None:
    columns, found = workspace.rows("anomalies", culture=name)
    shown = "" if len(found) <= 5 else ", the first five"
    print(f"\nCells of {name} that depart from their culture or their neighbours: {len(found)}{shown}")
    show(columns, found[:5], Format.table)


def _show_places(workspace: Workspace, folder: Path) -> None:
    """Where everything lies, and commands to go on with."""
    command = f"{sys.argv[0]} --workspace {shlex.quote(str(workspace.folder))}"
    print(f"\nMovies, truths and pictures: {folder}")
    print(f"Denoised movies (OME-Zarr):  {workspace.folder / 'movies'}")
    print(f"Graph:                       {workspace.graph.where}")
    print("\nTry next:")
    print(f"  {command} query cells -p culture=demo-control")
    print(
        f"  {command} query --cypher 'MATCH (c:Cell)-[a:ADJACENT]-(:Cell) RETURN c.uid, sum(a.shared_border_px) AS px "
        "ORDER BY px DESC LIMIT 5'"
    )
    print(f"  {command} query wave -p culture={WITH_WAVE} -p wave=1")
    print(f"  {command} picture demo-blocked traces --cell 50 -o cell50.png")
