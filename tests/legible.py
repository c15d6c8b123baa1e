"""Whether all text of a figure can be read."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text


def assert_legible(figure: Figure) -> None:
    """Every text is 7 points or more, on the page, and lies on no other text; tilted ones may share a box."""
    page, hidden = figure.bbox, _not_drawn(figure)
    boxes = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().strip() or not text.get_visible() or text in hidden:
            continue
        box = text.get_window_extent()
        assert float(text.get_fontsize()) >= 7, text
        inside = box.x0 >= page.x0 and box.y0 >= page.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text.get_text()!r} is cut off at {box}"
        if text.get_rotation() in (0, 90):
            boxes.append((text.get_text(), box))
    assert boxes
    for (one, first), (other, second) in combinations(boxes, 2):
        apart = first.x1 <= second.x0 or second.x1 <= first.x0 or first.y1 <= second.y0 or second.y1 <= first.y0
        assert apart, f"{one!r} lies on {other!r}"


def _not_drawn(figure: Figure) -> set[Text]:
    """Tick labels outside the limits exist, but are not drawn."""
    hidden: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            drawn = axis._update_ticks()  # type: ignore[union-attr]
            ticks = (*axis.majorTicks, *axis.minorTicks)
            hidden |= {label for tick in ticks if tick not in drawn for label in (tick.label1, tick.label2)}
    return hidden
