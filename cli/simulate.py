"""`calcigraph simulate`: a movie whose ground truth is known."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from calcigraph import SyntheticOptions
from calcigraph.cli.options import takes
from calcigraph.cli.output import note, progress_bar
from calcigraph.workspace import Workspace


@takes(SyntheticOptions)
def simulate(
    context: typer.Context,
    out: Annotated[str, typer.Argument(metavar="OUT.tif", help="Movie to write.", show_default=False)],
    *,
    options: SyntheticOptions,
) -> None:
    """Write a synthetic movie with its ground truth: OUT.tif, OUT_labels.tif and OUT_truth.json. Options for mistakes
    in the masks add OUT_masks.tif, for `ingest --masks`. The labels and the truth do not have these mistakes."""
    workspace: Workspace = context.obj
    with progress_bar() as progress:
        truth = workspace.simulate(out, options, progress=progress)
    counts = f"{len(truth['border'])} cells and {len(truth['contacts'])} contacts{_waves(truth['contact_waves'])}"
    spoilt = f", and {len(truth['masks'])} spoilt masks" if options.spoils_masks else ""
    note(f"wrote {out} with {counts}, and its labels and truth beside it{spoilt}")
    if truth["contact_waves"] and options.leak == 0:
        note(
            "nothing takes the calcium away, so levels rise and stay, and `events` finds few of these events and "
            "waves: give the cells pumps, such as --leak 0.01"
        )


def _waves(planted: list[dict[str, Any]]) -> str:
    """Such as ", 2 waves over contacts and 1 flash"."""
    from calcigraph.store.event_types import FLASH, WAVE

    kinds = [wave["kind"] for wave in planted]
    waves, flashes = kinds.count(WAVE), kinds.count(FLASH)
    told = [f"{waves} wave{'s' * (waves != 1)} over contacts"] * (waves > 0)
    told += [f"{flashes} flash{'es' * (flashes != 1)}"] * (flashes > 0)
    return f", {' and '.join(told)}" if told else ""
