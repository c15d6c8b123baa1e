"""Which weighting of the contacts fits a culture best: the held-out error of each, by rolling-origin cross-validation.

A fold fits the first part of the recording and predicts the frames that follow, so that no later frame enters the
fit. The error is taken over the changes from one frame to the next. The error of a free run would be mostly that of
spikes, which no model predicts. For the same reason the largest residuals of every cell are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calcigraph.errors import FitError
from calcigraph.models.consensus import operator
from calcigraph.models.contacts import WEIGHTS
from calcigraph.models.even import at_even_frames
from calcigraph.models.quadrature import frame_means
from calcigraph.models.run import fit
from calcigraph.models.table import FitOptions
from calcigraph.models.task import Split
from calcigraph.store.types import Fit, FloatArray, Progress, Subgraph, silent

TRAINED = (0.5, 0.6, 0.7, 0.8)
"""The first part of the recording that a fold fits."""
HELD_OUT = 0.2
"""The share of the recording, after it, on which the fold is judged."""
KEPT = 0.75
"""Share of a cell's frames, those of the smallest residuals, that count: spikes must not decide."""
FEWEST_FRAMES = 60


@dataclass(frozen=True)
class Ranked:
    """One weighting: its fit of the whole recording, and how well it predicts frames that it was not fitted to."""

    weights: str
    """One of `WEIGHTS`."""
    fit: Fit
    """Of the whole training part."""
    error: float
    """Held-out error over that of a model without coupling, mean over the folds: below 1 the coupling helps."""
    spread: float
    """Standard deviation of the error over the folds."""
    behind: float
    """Mean over the folds of this error minus that of the best weighting; 0 for the best itself."""
    behind_spread: float
    """Standard deviation of that difference over the folds."""
    folds: tuple[float, ...]
    """The error of each fold."""


def rank_weights(
    subgraph: Subgraph,
    model: str = "robust",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[Ranked]:
    """Fit a culture with every weighting that it allows, the best by held-out error first.

    A culture without shared borders (from traces) allows `uniform` only. The folds lie in the part of the recording
    that the options give to training. They are the same for all weightings.

    Parameters
    ----------
    subgraph
        The culture.
    model
        One of `MODELS`.
    options
        As for `fit`; `weights` and, in the folds, `null` are not used.
    scheduler, progress
        As for `fit`.

    Returns
    -------
    list of Ranked
        One per weighting, by rising error.

    Raises
    ------
    FitError
        As `fit`, and for fewer than 60 frames to train on.
    InputError
        As `fit`.
    """
    options = options or FitOptions()
    options.check_model(model)
    subgraph = at_even_frames(subgraph).subgraph
    names = WEIGHTS if subgraph.has_borders else ("uniform",)
    train = Split.of(subgraph, options).train
    known = replace(subgraph, intensity=subgraph.intensity[:, :train])
    if train < FEWEST_FRAMES:
        raise FitError(
            f"culture {subgraph.culture} has {train} frames to train on; ranking weightings needs at least "
            f"{FEWEST_FRAMES}: name one with --weights"
        )
    # Every weighting is fitted once a fold, and once to the whole training part.
    total, done = len(names) * (len(TRAINED) + 1), 0
    fits, folds = [], []
    for name in names:
        candidate = replace(options, weights=name)
        errors = []
        for share in TRAINED:
            progress("weightings", done, total)
            errors.append(_held_out_error(known, model, candidate, share, scheduler))
            done += 1
        fits.append(fit(subgraph, model, candidate, scheduler=scheduler, progress=progress))
        folds.append(errors)
        done += 1
    progress("weightings", total, total)
    return _ranked(names, fits, np.array(folds))


def _ranked(names: Sequence[str], fits: Sequence[Fit], folds: FloatArray) -> list[Ranked]:
    """By rising mean error, from the errors of w weightings in f folds, (w, f)."""
    order = np.argsort(folds.mean(axis=1), kind="stable").tolist()
    # Fold by fold, because some parts of a recording are harder to predict than others for every weighting.
    behind = folds - folds[order[0]]
    return [
        Ranked(
            weights=names[row],
            fit=fits[row],
            error=float(folds[row].mean()),
            spread=float(folds[row].std(ddof=1)),
            behind=float(behind[row].mean()),
            behind_spread=float(behind[row].std(ddof=1)),
            folds=tuple(folds[row].tolist()),
        )
        for row in order
    ]


def _held_out_error(known: Subgraph, model: str, options: FitOptions, share: float, scheduler: str | None) -> float:
    """Error of one fold over that of a model without coupling, whose feeds are the cells' median changes."""
    frames, dt = known.intensity.shape[1], known.frame_interval_s
    first = round(share * frames)
    last = min(frames, first + round(HELD_OUT * frames))
    train = replace(known, intensity=known.intensity[:, :first])
    fitted = fit(train, model, replace(options, train_fraction=1.0, null=0), scheduler=scheduler)
    op = operator(known, fitted.settings["weights"], options.setup)
    # The last frame of the training part is needed for the first change.
    test = known.intensity[:, first - 1 : last]
    changes = np.diff(test[op.inner], axis=1)
    # Each change is predicted from the measured consensus of its own frame, not from a free run.
    pull = dt * frame_means(op.apply(test))
    k, feed = (np.nan_to_num(fitted.cells[name])[:, None] for name in ("k", "feed"))
    leak = np.nan_to_num(fitted.cells["leak"])[:, None] if "leak" in fitted.cells else 0.0
    feed_less_leak = dt * (feed - leak * frame_means(test[op.inner]))
    # Relative to a model without coupling, folds with much and with little activity can be compared.
    trained_changes = np.diff(train.intensity[op.inner], axis=1)
    median_change = np.median(trained_changes, axis=1)[:, None]
    without_coupling = 0.0 if options.no_feed else median_change
    return _trimmed_rms(changes - k * pull - feed_less_leak) / _trimmed_rms(changes - without_coupling)


def _trimmed_rms(residual: FloatArray) -> float:
    """Root mean square over cells and the smallest residuals of each, from (p, F)."""
    kept = max(1, round(KEPT * residual.shape[1]))
    smallest = np.sort(np.abs(residual), axis=1)[:, :kept]
    return float(np.sqrt((smallest**2).mean()))
