"""The Bokeh figures of a report. All but the strip plots begin empty: the page's script fills them (report/page/).

The map is one picture of labels that the script colours by a table of colours (a glyph of 1,000 filled polygons takes
60 ms to colour anew in a browser, the picture 20 ms, however many cells there are).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.embed import json_item
from bokeh.models import (
    BasicTicker,
    BoxZoomTool,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    DataRange1d,
    FactorRange,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    WheelZoomTool,
)
from bokeh.models.annotations import ColorBar, Span
from bokeh.palettes import Cividis256, RdBu11, Viridis256, interp_palette
from bokeh.plotting import figure

from calcigraph.pictures.style import FAINT, SINGLED
from calcigraph.report.comparison import Strip
from calcigraph.report.lines import Line
from calcigraph.report.sentences import number

PALETTES: dict[str, tuple[str, ...]] = {
    "viridis": tuple(Viridis256),
    "cividis": tuple(Cividis256),
    "diverging": tuple(interp_palette(RdBu11, 256)),
    # As in the picture of waves: from yellow, early, to blue, late, all light enough for dark arrows.
    "early": tuple(interp_palette(tuple(Viridis256[:96:-1]), 256)),
}
Item = dict[str, Any]


def cell_map() -> Item:
    """The map of cells, with contacts, the chosen cell with its neighbours, the arrows of a wave, and a colour bar."""
    plot = figure(
        name="map",
        height=560,
        min_width=260,
        min_border_left=66,  # so that the map keeps its size when the numbers of the axis grow longer
        sizing_mode="stretch_width",
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=1, end=0),
        x_axis_label="x (px)",
        y_axis_label="y (px)",
        tools=[PanTool(), BoxZoomTool(match_aspect=True), WheelZoomTool(), ResetTool(), SaveTool()],
        toolbar_location="above",
    )
    plot.grid.visible = False
    picture: dict[str, Any] = {"image": [np.zeros((1, 1), dtype=np.uint32)], "x": [0], "y": [0], "dw": [1], "dh": [1]}
    plot.image_rgba("image", x="x", y="y", dw="dw", dh="dh", source=ColumnDataSource(picture, name="cells"))
    plot.segment(
        *("x0", "y0", "x1", "y1"), source=_empty("contacts", "x0", "y0", "x1", "y1"), name="contact-lines", line_width=1
    )
    near, chosen = _empty("near", "xs", "ys"), _empty("chosen", "xs", "ys")
    # White on dark, so that the neighbours stand out from cells of every colour and from the page.
    for source, colour, width in ((near, "#17212a", 4.0), (near, "#ffffff", 2.0), (chosen, SINGLED, 3.0)):
        plot.multi_line("xs", "ys", source=source, line_color=colour, line_width=width)
    arrows = _empty("arrows", "x0", "y0", "x1", "y1", "angle")
    plot.segment("x0", "y0", "x1", "y1", source=arrows, line_width=1.4, line_color="#111111")
    heads = plot.scatter("x1", "y1", marker="triangle", angle="angle", size=8, source=arrows, color="#111111")
    heads.name = "arrow-heads"
    plot.scatter(
        "x", "y", marker="star", size=17, source=_empty("starts", "x", "y"), color="#d55e00", line_color="#fff"
    )
    bar = ColorBar(
        name="bar",
        color_mapper=LinearColorMapper(palette=PALETTES["viridis"], low=0, high=1, name="bar-colours"),
        ticker=FixedTicker(ticks=[]),
        title="intensity",
        height=12,
        padding=4,
        title_standoff=4,
    )
    plot.add_layout(bar, "below")
    for event in ("tap", "doubletap", "mousemove", "mouseleave"):  # a second click soon after a first is no "tap"
        plot.js_on_event(event, CustomJS(code=f"window.calcigraphReport.{event}(cb_obj.x, cb_obj.y)"))
    return _item(plot)


def traces(lines: Sequence[Line]) -> Item:
    """The traces of the chosen cell: observed, of each model, of its neighbours; its events; and the frame's time."""
    plot = figure(
        name="trace",
        height=320,
        min_width=260,
        sizing_mode="stretch_width",
        x_range=DataRange1d(range_padding=0, only_visible=True),
        y_range=DataRange1d(only_visible=True),
        x_axis_label="time (s)",
        y_axis_label="intensity",
        tools="pan,box_zoom,xwheel_zoom,reset,save",
        toolbar_location="above",
    )
    plot.multi_line(
        "xs", "ys", source=_empty("line-near", "xs", "ys"), line_color=FAINT, line_width=1, name="draw-near"
    )
    # The observed trace lies below the runs: a good fit would be hidden by it.
    plot.line("x", "y", source=_empty("line-observed", "x", "y"), line_width=2.6, name="draw-observed")
    for each in lines:
        plot.line(
            "x", "y", source=_empty(f"line-{each.key}", "x", "y"), line_color=each.colour,
            line_width=0.9 if each.thin else 1.4, line_dash=[5, 3] if each.thin else [], name=f"draw-{each.key}",
        )  # fmt: skip
    plot.scatter(
        "x", "y", marker="inverted_triangle", size=9, source=_empty("line-events", "x", "y", "colour"),
        color="colour", name="draw-events",
    )  # fmt: skip
    plot.add_layout(Span(location=0, dimension="height", line_color=SINGLED, line_width=1.5, name="now"))
    return _item(plot)


def histograms(count: int) -> list[Item]:
    """So many histograms: bars, the culture's value, and that of the chosen cell."""
    return [_histogram(place) for place in range(count)]


def _histogram(place: int) -> Item:
    plot = figure(
        name=f"histogram-{place}",
        height=200,
        min_width=220,
        sizing_mode="stretch_width",
        y_axis_label="cells",
        tools="",
        toolbar_location=None,
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=0, end=1),
    )
    plot.xaxis.ticker = FixedTicker(ticks=[])
    plot.yaxis.ticker = BasicTicker(min_interval=1, desired_num_ticks=4)
    bars = _empty(f"bars-{place}", "left", "right", "top")
    plot.quad("left", "right", "top", 0, source=bars, fill_color="#6f93ad", line_color="#ffffff", line_width=0.5)
    for name, colour, dash in ((f"shared-{place}", "#d55e00", "solid"), (f"here-{place}", SINGLED, "dashed")):
        plot.add_layout(
            Span(
                location=0,
                dimension="height",
                line_color=colour,
                line_width=2,
                line_dash=dash,
                name=name,
                visible=False,
            )
        )
    return _item(plot)


def strip_plots(strips: Sequence[Strip]) -> list[Item]:
    """For each quantity that is compared, a point for each culture, by group."""
    return [_strip_plot(place, strip) for place, strip in enumerate(strips)]


def _strip_plot(place: int, strip: Strip) -> Item:
    groups = list(dict.fromkeys(strip.groups))
    # Points of one group stand beside one another, in the order of the cultures.
    among = [strip.groups[:at].count(group) for at, group in enumerate(strip.groups)]
    size = max(strip.groups.count(group) for group in groups)
    spots = [
        (group, 0.5 * (at - (strip.groups.count(group) - 1) / 2) / size)
        for group, at in zip(strip.groups, among, strict=True)
    ]
    plot = figure(
        name=f"strip-{place}",
        height=220,
        min_width=220,
        sizing_mode="stretch_width",
        x_range=FactorRange(factors=groups),
        tools="",
        toolbar_location=None,
    )
    texts = [number(value) for value in strip.values]
    source = ColumnDataSource(
        {"group": spots, "value": list(strip.values), "culture": list(strip.cultures), "text": texts}
    )
    points = plot.scatter("group", "value", source=source, size=10, color="#0072b2", alpha=0.8, line_color="#ffffff")
    means = {
        group: float(np.mean([v for g, v in zip(strip.groups, strip.values, strict=True) if g == group]))
        for group in groups
    }
    plot.scatter(list(means), list(means.values()), marker="dash", size=40, line_width=2.5, line_color="#d55e00")
    plot.add_tools(HoverTool(renderers=[points], tooltips=[("culture", "@culture"), ("value", "@text")]))
    plot.yaxis.formatter = CustomJSTickFormatter(code="return window.calcigraphReport.tickText(tick)")
    plot.xgrid.visible = False
    plot.xaxis.major_label_orientation = 0 if sum(map(len, groups)) <= 30 else 0.6
    return _item(plot)


def _item(plot: figure) -> Item:
    # No fill at first: what is painted once in white shines through at the edges of a dark page.
    plot.border_fill_color = plot.background_fill_color = None
    plot.toolbar.logo = None
    return dict(json_item(plot))


def _empty(name: str, *columns: str) -> ColumnDataSource:
    """A source that the page's script fills."""
    return ColumnDataSource({column: [] for column in columns}, name=name)
