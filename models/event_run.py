"""Events, then the waves that they make: what `calcigraph events` finds in one culture."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from calcigraph.errors import spelt
from calcigraph.models.event_options import EventOptions
from calcigraph.models.events.detection import Detected, detect_events
from calcigraph.models.events.lasting import Lasting
from calcigraph.models.own_share import Coupling, own_shares
from calcigraph.models.waves.find import Found, find_waves
from calcigraph.store.event_types import EventRun
from calcigraph.store.types import Progress, Subgraph, silent

MOST_TIES = 0.5
"""Share of the links that are ties above which the user is told that the frames are too far apart."""
MOST_CUT = 0.2
"""Share of events cut by the ends of the recording above which the user is told."""


def find_events(
    graph: Subgraph,
    options: EventOptions | None = None,
    *,
    coupling: Coupling | None = None,
    progress: Progress = silent,
) -> EventRun:
    """The calcium events of a culture, their links over contacts, and the waves and flashes that they make.

    Parameters
    ----------
    graph
        The culture.
    options
        The defaults where None.
    coupling
        What a fit says of the culture's coupling; without it own shares are absent.
    progress
        Called with the stages of detection and waves.

    Returns
    -------
    What `Workspace.events` stores.

    Raises
    ------
    InputError
        The recording has too few frames.

    Examples
    --------
    >>> from calcigraph.models import SyntheticOptions, make_culture
    >>> run = find_events(make_culture(SyntheticOptions(cells=16, frames=120, size_px=160)).subgraph())
    >>> len(run.labels), run.baseline.shape, len(run.events) > 8
    (16, (16, 120), True)
    """
    options = options or EventOptions()
    detected = detect_events(graph, options, progress=progress)
    events, source = detected.events, {}
    if coupling is not None:
        events = own_shares(graph, events, detected.baseline, detected.noise, coupling)
        source = {"own_share_from": coupling.run}
    found = find_waves(graph, events, options, progress=progress)
    return EventRun(
        culture=graph.culture,
        settings=asdict(options),
        events=events,
        links=found.links,
        waves=found.waves,
        labels=graph.labels,
        baseline=detected.baseline,
        noise=detected.noise,
        facts={**detected.facts, **found.facts, **source},
        advice=_advice(graph, detected, found),
    )


def _advice(graph: Subgraph, detected: Detected, found: Found) -> tuple[str, ...]:
    """What the user should know: where events or their order cannot be told."""
    events, ties = detected.events, found.links.tie
    told = []
    if len(graph.pairs) == 0:
        told.append("no cell touches another, so there are no waves")
    if len(ties) and ties.mean() > MOST_TIES:
        told.append(
            f"in {int(ties.sum())} of {len(ties)} pairs of neighbours' events frames of {graph.frame_interval_s:g} s "
            "cannot show which came first: a wave may pass unseen, or without a direction; film faster"
        )
    cut = np.mean(events.cut_start | events.cut_end) if len(events) else 0.0
    if cut > MOST_CUT:
        told.append(
            f"{cut:.0%} of the events are cut by the beginning or the end of the recording; their onset or decay is "
            "not known well"
        )
    if detected.lasting.many:
        told.append(_lasting_said(graph.culture, detected.lasting))
    return tuple(told)


def _lasting_said(culture: str, lasting: Lasting) -> str:
    return (
        f"in {lasting.cells} of {lasting.searched} cells the level rises and stays, {lasting.rises} times in all. A "
        "rise that does not fall back is no event, so many of them are not counted and event rates are too low: "
        "calcium enters and nothing takes it away, or the light jumped. See "
        f"`calcigraph picture {spelt(culture)} traces`; leave out frames in which lamp or focus jumped; give "
        "`simulate` a `--leak`"
    )
