"""What the words of a report mean, for readers who do not know the method."""

from __future__ import annotations

from calcigraph.pictures.groups import GROUPS

GROUP_MEANINGS = dict(
    zip(
        GROUPS,
        (
            "coupling and feed alone follow the trace, peaks included",
            "coupling and feed alone follow the level of the trace, but not its peaks",
            "coupling and feed alone miss the level of the trace",
        ),
        strict=True,
    )
)
"""The fit groups of the paper (models.fit_groups), which are those of the run without the cells' own activity."""
GLOSSARY = (
    (
        "coupling k (1/s)",
        "How fast a cell moves towards the level of the cells that it touches. At 0.01 /s, a difference shrinks to "
        "about a third in 100 s.",
    ),
    (
        "feed (1/s)",
        "What a cell gains steadily by itself, or loses below 0: normalised intensity per second. In a movie a cell's "
        "constant brightness is part of it.",
    ),
    (
        "95 %",
        "The interval that holds the true value in 95 of 100 such recordings, if the model describes the culture.",
    ),
    (
        "identified, weak, not identified",
        "Whether this recording tells the coupling. Identified: it is known well, and nothing speaks against it. Weak: "
        "it is known roughly, or something speaks against it. Not identified: the recording does not tell it.",
    ),
    (
        "with the cell's own activity",
        "The fit as it was made: what comes in from the neighbours, the feed, and what the fit takes for released by "
        "the cell itself. It should follow the trace up to its noise.",
    ),
    (
        "coupling and feed alone",
        "The same coupling and feed, started at the first frame, without anything that cells do of themselves. It "
        "misses events, so its distance from the trace (the error without own activity) says little about the "
        "coupling. It is also called free run.",
    ),
    (
        "fit against trace (× noise)",
        "Distance of the fit from the trace, over the noise of the trace: 1 is as near as noise allows.",
    ),
    (
        "event, wave, flash",
        "An event is a transient rise of calcium in one cell. A wave runs from cell to cell over contacts; in a flash "
        "cells rise together.",
    ),
    (
        "own share of the rises",
        "How much of a cell's rises its neighbours do not explain: 1 for a cell that fires by itself, 0 for one that "
        "only follows.",
    ),
    (
        "skill of a forecast",
        "1 - its error / that of the best forecast without a model, such as that all stays as it is: above 0 it is "
        "better, 1 is without error. It says nothing about the coupling.",
    ),
    (
        "anomaly",
        "How far a cell is from its culture, or from its neighbours, in robust deviations: 3 or more is rare.",
    ),
    ("norm. intensity", "The logarithm of the brightness, scaled alike for all cells of a movie; dF/F0 is relative."),
    (
        "synchrony",
        "How much more the changes of cells in contact resemble one another than chance gives.",
    ),
    (
        "p (Holm)",
        "How often chance alone gives such a difference; corrected for the number of quantities that are tested.",
    ),
)
"""Terms with their meanings, in the order of the page."""
