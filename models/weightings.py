"""Which weighting of the contacts fits a culture best: held-out error of each, with its standard deviation over folds.

Rolling origin: a fold fits the first part of the recording and judges the frames that follow, so that nothing of the
future enters. What is judged is the change from one frame to the next, because errors of a free run are mostly the
sources that no model knows of; for the same reason the largest changes of every cell are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import WEIGHTS, frame_means, operator
from calcigraph.models.run import fit
from calcigraph.models.table import FitOptions
from calcigraph.models.task import Split
from calcigraph.store.types import Fit, FloatArray, Progress, Subgraph, silent

TRAINED = (0.5, 0.6, 0.7, 0.8)
"""The first part of the recording that a fold fits."""
HELD_OUT = 0.2
"""The share of the recording, after it, on which the fold is judged."""
KEPT = 0.75
"""Share of a cell's frames, those of the smallest residuals, that count: sources must not decide."""
FEWEST_FRAMES = 60


@dataclass(frozen=True)
class Ranked:
    """One weighting: its fit of the whole recording, and how well it foretells what it has not seen."""

    weights: str
    fit: Fit
    error: float
    """Held-out error over that of a model without coupling, mean over the folds: below 1 the coupling helps."""
    spread: float
    """Standard deviation over the folds."""
    behind: float
    """Error less that of the best weighting, fold by fold; 0 for the best itself."""
    behind_spread: float
    """Standard deviation of that difference."""
    folds: tuple[float, ...]


def rank_weights(
    subgraph: Subgraph,
    model: str = "robust",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[Ranked]:
    """Fit a culture with every weighting that it allows, the best by held-out error first.

    Without shared borders (cultures from traces) there is only `uniform`. The folds lie in the part of the recording
    that the options give to training; they are the same for all weightings.

    Raises
    ------
    FitError
        As `fit`, and for fewer than 60 frames to train on.
    """
    options = options or FitOptions()
    options.check_model(model)
    names = WEIGHTS if subgraph.has_borders else ("uniform",)
    known = replace(subgraph, intensity=subgraph.intensity[:, : Split.of(subgraph, options).train])
    frames = known.intensity.shape[1]
    if frames < FEWEST_FRAMES:
        raise FitError(
            f"culture {subgraph.culture} has {frames} frames to train on; ranking weightings needs at least "
            f"{FEWEST_FRAMES}: name one with --weights"
        )
    total, done = len(names) * (len(TRAINED) + 1), 0
    fits, folds = [], []
    for name in names:
        chosen = replace(options, weights=name)
        errors = []
        for share in TRAINED:
            progress("weightings", done, total)
            errors.append(_held_out(known, model, chosen, share, scheduler))
            done += 1
        fits.append(fit(subgraph, model, chosen, scheduler=scheduler, progress=progress))
        folds.append(errors)
        done += 1
    progress("weightings", total, total)
    return _ranked(names, fits, np.array(folds))


def _ranked(names: Sequence[str], fits: Sequence[Fit], folds: FloatArray) -> list[Ranked]:
    order = np.argsort(folds.mean(axis=1), kind="stable").tolist()
    behind = folds - folds[order[0]]
    return [
        Ranked(
            names[row],
            fits[row],
            float(folds[row].mean()),
            float(folds[row].std(ddof=1)),
            float(behind[row].mean()),
            float(behind[row].std(ddof=1)),
            tuple(folds[row].tolist()),
        )
        for row in order
    ]


def _held_out(known: Subgraph, model: str, options: FitOptions, share: float, scheduler: str | None) -> float:
    """Error of one fold relative to that of feeds alone, which are the cells' median changes while training."""
    frames = known.intensity.shape[1]
    first = round(share * frames)
    last = min(frames, first + round(HELD_OUT * frames))
    train = replace(known, intensity=known.intensity[:, :first])
    fitted = fit(train, model, replace(options, train_fraction=1.0, null=0), scheduler=scheduler)
    op = operator(known, fitted.settings["weights"], options.setup)
    test = known.intensity[:, first - 1 : last]
    changes, pull = np.diff(test[op.inner], axis=1), known.frame_interval_s * frame_means(op.apply(test))
    k, feed = (np.nan_to_num(fitted.cells[name])[:, None] for name in ("k", "feed"))
    leak = np.nan_to_num(fitted.cells["leak"])[:, None] if "leak" in fitted.cells else 0.0
    own = known.frame_interval_s * (feed - leak * frame_means(test[op.inner]))
    idle = 0.0 if options.no_feed else np.median(np.diff(train.intensity[op.inner], axis=1), axis=1)[:, None]
    return _size(changes - k * pull - own) / _size(changes - idle)


def _size(residual: FloatArray) -> float:
    """Root mean square over cells and the kept frames of each, (p, F)."""
    smallest = np.sort(np.abs(residual), axis=1)[:, : max(1, round(KEPT * residual.shape[1]))]
    return float(np.sqrt((smallest**2).mean()))
