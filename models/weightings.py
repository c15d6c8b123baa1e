"""Which law of the weights the contacts of a culture follow: every law is fitted, and tested contact by contact.

With the true law the own activity of cells in contact is uncorrelated in every contact. With a wrong one it is so on
average only, because k makes it so, and the weights of another law show what is left (`departure` of
models/decorrelation/sensitivity.py). A law is out if the contacts depart from it towards any of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from calcigraph.errors import FitError
from calcigraph.models.consensus import operator
from calcigraph.models.decorrelation.fit import prepared_traces
from calcigraph.models.decorrelation.sensitivity import REJECTED, departures
from calcigraph.models.even import at_even_frames
from calcigraph.models.indicator import Indicator, Scale, on_scale
from calcigraph.models.laws import WEIGHTS
from calcigraph.models.run import fit
from calcigraph.models.table import FitOptions
from calcigraph.models.task import Split
from calcigraph.store.types import Fit, FloatArray, Progress, Subgraph, silent

FOUND, UNDECIDED, ALL_OUT, ONLY = "found", "cannot tell", "all are out", "the only one"
"""What the test says of a culture. `ONLY`: without shared borders there is nothing to choose from."""

FEWEST_FRAMES = 60


@dataclass(frozen=True)
class Ranked:
    """One law of the weights: its fit, and whether the contacts follow it."""

    weights: str
    """One of `WEIGHTS`."""
    fit: Fit
    """Of the whole training part; its fact `weights_test` holds what follows."""
    departure: float | None
    """How far the contacts depart from this law, in deviations: the most over the other laws. None: not tested."""
    towards: str | None
    """The other law that they depart to."""
    left: tuple[str, ...]
    """Of the culture: the laws that are not out, in the order of the ranking."""
    verdict: str
    """Of the culture: FOUND (one law is left), UNDECIDED (several), ALL_OUT (none) or ONLY."""

    @property
    def possible(self) -> bool:
        """Whether this law is not out."""
        return self.weights in self.left

    @property
    def said(self) -> str:
        """What the test says of the culture, in a line."""
        if self.verdict == ONLY:
            return "there are no shared borders, so uniform weights are the only ones"
        if self.verdict == FOUND:
            return f"the contacts follow {self.left[0]}"
        if self.verdict == ALL_OUT:
            return "cannot tell: the contacts follow none of the laws"
        return f"cannot tell between {', '.join(self.left[:-1])} and {self.left[-1]}"


def rank_weights(
    subgraph: Subgraph,
    model: str = "robust",
    options: FitOptions | None = None,
    *,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[Ranked]:
    """Fit a culture with every law of the weights, and test which of them its contacts follow.

    A culture without shared borders (from traces) allows `uniform` only. The test is the same for all models. It uses
    the part of the recording that the options give to training, and says nothing below 6 contacts between inner cells.
    A law is out from 2.4 deviations on: the true one is lost in 5 % of the cultures, by chance over three
    tests.

    Parameters
    ----------
    subgraph
        The culture.
    model
        One of `MODELS`.
    options
        As for `fit`; `weights` is not used.
    scheduler, progress
        As for `fit`.

    Returns
    -------
    list of Ranked
        One per law: those that are left first, by rising departure.

    Raises
    ------
    FitError
        As `fit`, and for fewer than 60 frames to train on.
    InputError
        As `fit`.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> options = SyntheticOptions(frames=200, spikes=6, weights="uniform")
    >>> ranked = rank_weights(make_culture(options).subgraph(), options=FitOptions(null=0))
    >>> ranked[0].said
    'the contacts follow uniform'
    """
    options = options or FitOptions()
    options.check_model(model)
    train = Split.of(at_even_frames(subgraph).subgraph, options).train
    if train < FEWEST_FRAMES:
        raise FitError(
            f"culture {subgraph.culture} has {train} frames to train on; testing the laws of the weights needs at "
            f"least {FEWEST_FRAMES}: name one with --weights"
        )
    names = WEIGHTS if subgraph.has_borders else ("uniform",)
    fits = []
    for done, name in enumerate(names):
        progress("weightings", done, len(names))
        fits.append(fit(subgraph, model, replace(options, weights=name), scheduler=scheduler, progress=progress))
    found = _departures(subgraph, names, options)
    progress("weightings", len(names), len(names))
    return _ranked(names, fits, found)


def _departures(subgraph: Subgraph, names: Sequence[str], options: FitOptions) -> FloatArray | None:
    """`departures` of the laws, (l, l); None where there is too little to test."""
    recorded = at_even_frames(subgraph).subgraph
    culture = on_scale(recorded, Scale.of(recorded, Indicator.of(options.indicator)))
    traces = culture.intensity[:, : Split.of(culture, options).train]
    try:
        laws = [
            prepared_traces(
                culture.culture,
                operator(culture, name, options.setup),
                traces,
                culture.frame_interval_s,
                options.drift_order,
            )
            for name in names
        ]
    except FitError:  # too few contacts, or nothing changes
        return None
    return departures(laws)


def _ranked(names: Sequence[str], fits: Sequence[Fit], found: FloatArray | None) -> list[Ranked]:
    """The laws in order, from their departures, (l, l)."""
    most = [0.0] * len(names) if found is None else found.max(axis=1).tolist()
    order = sorted(range(len(names)), key=most.__getitem__)
    left = tuple(names[row] for row in order if most[row] <= REJECTED)
    verdict = {0: ALL_OUT, 1: FOUND}.get(len(left), UNDECIDED) if len(names) > 1 else ONLY
    ranked = []
    for row in order:
        tested = found is not None and most[row] > 0
        departure = most[row] if tested else None
        towards = names[int(found[row].argmax())] if found is not None and tested else None
        test = {"departure": departure, "towards": towards, "left": list(left), "verdict": verdict}
        fitted = replace(fits[row], facts=dict(fits[row].facts) | {"weights_test": test})
        ranked.append(
            Ranked(weights=names[row], fit=fitted, departure=departure, towards=towards, left=left, verdict=verdict)
        )
    return ranked
