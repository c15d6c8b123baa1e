"""What the graph holds, by label and relationship: each property's kind and meaning, for docs/graph.md and for hints.

`python -m calcigraph.store.described` prints the tables of docs/graph.md. A test compares them with a real graph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

_TEXT = """
(:Meta) One node: which schema the graph has.
name | text | `calcigraph`
schema_version | integer | this page describes version 2
version | text | of the calcigraph that made the graph, or brought it to this schema
created | time | when it did so

(:Experiment) Recordings that belong together; (:Experiment)-[:INCLUDES]->(:Culture).
name | text | as given with `--experiment`

(:Culture) One recording.
uid | text | its name, as given with `--culture`
name | text | the same, for Neo4j's Browser
condition | text | as given with `--condition`
complete | true or false | whether its ingest has ended; named queries see only complete cultures
state | text | `ingest`, `replace` or `delete` while one of them is under way or was broken off
replaces | text | the culture that it will replace, or that replaced it, meanwhile
token | text | of the writer, while it writes
batch | integer | of the writer, while it writes
frames | integer | number of frames
frame_interval_s | s | distance of the frames, the usual one where `time_s` is there
time_s | list, s | when each frame was taken, from 0; absent where frames are evenly spaced
pixel_size_um | um | side of a pixel
height_px, width_px | px | of the picture
movie | text | the denoised movie, a path inside the workspace; absent for traces
movie_digest | text | SHA-256 of its `zarr.json`, which has those of the other files of the movie
movie_uri | text | where it was written, with the machine's name or `s3://`: of a shared graph only one workspace has it
masks | text | `file:NAME`, `cellpose:MODEL`, `traces` or `traces:PROGRAM`: where the cells come from
input_digest | text | hash of all that went in: the same again changes nothing
intensity_offset, intensity_gain | 1 | intensity = (log(light + 1) - offset) gain (eq. 23)
bleaching | 1 | share by which the mean light falls over the recording; negative where it rises
shift_px | px | how far the picture moves, as stored: after `--register`, what is left
saturated | 1 | share of pixels at the camera's largest value
warnings | list of text | what `ingest` warned of
doubts | list of text | what speaks against contacts or traces
options, tissue, light, registration | text | JSON: all that the properties below say, exactly
option_<name> | | an option of `ingest` or `ingest-traces`, such as `option_trace_inset`
tissue_<name> | | a measure of the masks, such as `tissue_coverage`
light_<name> | | a measure of light that is not the cells' own, such as `light_neighbours`
registration_x_px, registration_y_px | list, px | where the tissue was in each frame against the first
registration_degrees | list | how far it was turned, clockwise; absent where only shifts were asked for
registration_<name> | | the largest shift (`registration_largest_px`), frames moved by more than 0.5 px, frames lost
weight_distance_times_border_scale | px^2 | what the weights on the contacts were divided by
weight_border_over_distance_scale | 1 | the same
weight_border_scale | px | the same
weight_uniform_scale | 1 | always 1
curated | list of text | JSON: what each `curate` changed, when and by which masks, oldest first
plan | text | JSON: what the plan that made it said (`calcigraph run`), once all of that was done
annotations, cell_annotations | list of text | properties that `annotate` has set on the culture, and on cells
last_fit | text | uid of the fit that was written last
inner_cells, contacts | integer | how many there are: cells that are not at the border, and contacts
fits_written | integer | how many were, those that replaced another included
seals | text | JSON: number and SHA-256 of its rows of every kind, for `verify`
created | time | of the ingest
version | text | of the calcigraph that did it

(:Cell) (:Culture)-[:HAS_CELL]->(:Cell).
uid | text | `<culture>:<label>`
name | text | culture and label, for Neo4j's Browser
label | integer | of the mask
area_px | px^2 | pixels of the mask; absent for traces
x_px, y_px | px | column and row of the centroid
place | point | the centroid, cartesian, in px, y down: for `point.distance`
border | true or false | whether neighbours may be missing, at the edge of the picture
polygon | text | outline as WKT: pixel corners at integers, y down; absent for traces
open_px | px | outline beside a place where a cell may have been missed
flags | text | what to know of this trace, such as `no inset`
intensity | list, 1 | the trace, normalised (eq. 23), one value a frame
<model>_<parameter> | | of the latest fit of each model, such as `robust_k_cell`: see FITTED

(:Cell)-[:ADJACENT]-(:Cell) A contact, stored once a pair: match it without an arrow.
shared_border_px | px | length of the shared border; absent for traces
centroid_distance_px | px | distance of the centroids
weight_distance_times_border | 1 | weight, mean 1 over contacts between inner cells: the paper's law, and the default
weight_border_over_distance, weight_border | 1 | the same for other laws (`fit --weights`); absent where borders are
weight_uniform | 1 | always 1: the law of cultures without borders

(:FitRun) One fit of a culture; (:FitRun)-[:OF]->(:Culture). The same model and settings again replace it.
uid | text | `<culture>:<model>:<settings_hash>`
name | text | for Neo4j's Browser
model, case | text | as `fit --model` and `--case`
k, k_low, k_high | 1/s | coupling and its 95 % interval
feed, feed_low, feed_high | 1/s | feed, normalised intensity per second: median over cells, and its interval
mse_train, mse_test | 1 | mean squared error of the free run, in the part that was fitted and in the rest
identified | text | `identified`, `weak` or `not identified`: whether the data tell k
why | text | what speaks against it
advice | list of text | what to know of this fit
null_k, null_k_mean | 1/s | a rough k, and what chance gives
null_k_z, null_k_p | 1 | how far it is from chance, in deviations, and the p-value
null_sync, null_sync_mean, null_sync_z, null_sync_p | 1 | the same for the correlation of changes between contacts
weight | text | the property of ADJACENT whose weights go with this k; absent where its unit is another
parameters | list of text | what FITTED has
settings, facts | text | JSON: all that the properties below say, exactly, with lists and what is not set
settings_hash | text | hash of model, case and settings
setting_<name> | | what the user decided, defaults included, such as `setting_weights`
fact_<name> | | what followed from culture and data, such as `fact_trace_noise`
stale | text | why it no longer goes with the culture's masks: they were mended (`curate`); absent where it does
fitted_cells | integer | how many cells FITTED is of
median_k, median_k_cell, median_feed, median_mse_train, median_mse_test | | medians over these cells
mad_k, mad_k_cell, mad_feed, mad_mse_train, mad_mse_test | | their median absolute deviations from them
number | integer | in the order in which the culture's fits were written; a clock may jump, this does not
seals | text | JSON: as on the culture
curves | text | JSON: the training of a network, for pictures
created | time | of the fit
version | text | of the calcigraph that made it

(:Cell)-[:FITTED]->(:FitRun) What a fit gives for an inner cell; the latest stands on the cell too.
k, k_low, k_high | 1/s | the culture's coupling and its interval
k_cell, k_cell_low, k_cell_high | 1/s | the cell's own coupling and its interval
feed, feed_low, feed_high | 1/s | the cell's feed, normalised intensity per second
identified, why | text | whether the data tell k_cell, and what speaks against it
mse_train, mse_test | 1 | mean squared error of the cell's free run
group | text | `good`, `misses peaks` or `wrong magnitude`
<parameter> | | what else a model gives

(:EventRun) A search for events; (:EventRun)-[:OF]->(:Culture). A later one replaces it.
uid | text | `<culture>:events`
name | text | for Neo4j's Browser
culture | text | the culture's uid
run | text | key that this run's events and waves have too
complete | true or false | whether it was written to its end
batch | integer | of the writer, while it writes
digest | text | hash of all that was found: the same again changes nothing; absent where it is stale
stale | text | why it no longer goes with the culture's masks: they were mended (`curate`); absent where it does
cells, active_cells | integer | cells that were looked at, and those with an event
events, links, ties | integer | how many there are: events, PRECEDES, COINCIDES
waves, flashes | integer | how many there are
duration_s | s | of the recording
median_events, mad_events | 1 | of a cell's events: the median over cells, and the median absolute deviation from it
median_amplitude, mad_amplitude, median_dff, mad_dff | 1 | the same of each cell's median height
median_noise, mad_noise | 1 | the same of a frame's noise
advice | list of text | what to know of this search
settings, facts | text | JSON: all that the properties below say, exactly
settings_hash | text | hash of the settings
seals | text | JSON: as on the culture
setting_<name> | | what the user decided, such as `setting_min_snr`
fact_<name> | | what followed from the data, such as `fact_max_lag_s`
created | time | of the search
version | text | of the calcigraph that made it

(:Cell)-[:MEASURED]->(:EventRun) What a search found of a cell.
events | integer | how many
event_rate_per_h | 1/h | events an hour
waves | list of integers | numbers of the waves it took part in
noise | 1 | deviation of one frame's noise
dff | list, 1 | dF/F, one value a frame; absent where F0 is not known

(:Event) A calcium event; (:Cell)-[:HAS_EVENT]->(:Event).
uid | text | `<culture>:<label>:<number>`
name | text | label and number, for Neo4j's Browser
culture, run | text | the culture's uid, the run's key
label, number | integer | of the cell, and of the event in the cell, from 1
onset_s, onset_se_s | s | when the rise begins, and its standard error
half_s, half_se_s | s | when it reaches half of its height, and its standard error
peak_s, end_s | s | its peak; when it has fallen to a tenth
rise_s, decay_s | s | from 10 to 90 %; from the peak to 37 %
interval_s | s | from the onset of the cell's event before
amplitude | 1 | height above the baseline, normalised intensity
dff | 1 | height as dF/F
area | s | above the baseline, normalised intensity times seconds
snr | 1 | height in deviations of one frame's noise
quality | 1 | 0 to 1: how well its fitted shape explains the trace
cut_start, cut_end | true or false | whether the recording's start or end cuts it
own_share, own_share_low, own_share_high | 1 | share of the rise that no neighbour explains, and its interval

(:Event)-[:PRECEDES]->(:Event) The first may have set off the second, in a cell in contact.
lag_s | s | between their half rises
p | 1 | p-value of the pair of cells

(:Event)-[:COINCIDES]->(:Event) Two such events whose order the frames cannot show.
p | 1 | p-value of the pair of cells

(:Wave) Events that spread; (:Event)-[:PART_OF]->(:Wave)-[:OF]->(:EventRun) and (:Wave)-[:STARTED_AT]->(:Cell).
uid | text | `<culture>:wave:<number>`
name | text | for Neo4j's Browser
culture, run | text | the culture's uid, the run's key
number | integer | in the culture, from 1
kind | text | `wave`, or `flash`: many cells at once
cells, events | integer | that take part
onset_s, duration_s | s | half rise of its first event, and time to that of its last
speed_px_s, speed_low_px_s, speed_high_px_s | px/s | its speed and the 95 % interval
speed_um_s, speed_low_um_s, speed_high_um_s | um/s | the same, where the size of a pixel is known
direction_deg | degrees | of a plane front: 0 to the right, 90 down
radial | true or false | whether it runs in all directions
origin_x_px, origin_y_px | px | where it began
p, q | 1 | p-value against shifted events, and with false-discovery control

(:ForecastRun) A forecast; (:ForecastRun)-[:OF]->(:Culture), (:ForecastRun)-[:TRAINED_ON]->(:Culture).
uid | text | `<culture>:forecast`
name | text | for Neo4j's Browser
culture | text | the culture's uid
trained_on | list of text | other cultures that it was learnt from
cells | integer | that were forecast
ahead | integer | the furthest horizon, frames
skill | list, 1 | 1 to `ahead` frames ahead: 1 - error / error of the best forecast without a model, in the last quarter
rival | list of text | which one that is, for each
held | list, 1 | share of the last quarter's values that lie in their 95 % intervals
within_s | s | time within which cells may light up
nats, nats_low, nats_high | 1 | log-likelihood per event above that of each cell's own rate, and its 95 % interval
auroc | 1 | probability that a frame before an event was told a larger probability than another one
told, came | list, 1 | mean probability of an event in tenths of the last quarter; share that one followed
contact_gain, contact_gain_by_chance | 1 | share of the error 2 frames ahead that neighbours take away
contact_p | 1 | share of the exchanges that gain as much
contact_nats | 1 | what the neighbours' past adds to the forecast of events, per event
contact_word | text | `contacts help`, `contacts hardly help`, `contacts do not help` or `cannot be told`
advice | list of text | what to know of this forecast
stale | text | why it no longer goes with the culture's masks: they were mended (`curate`); absent where it does
settings, facts | text | JSON: all that the properties below say, exactly
settings_hash | text | hash of the settings
seals | text | JSON: as on the culture
setting_<name> | | what the user decided, such as `setting_ahead`
fact_<name> | | what followed from the data, such as `fact_logarithm`
created | time | of the forecast
version | text | of the calcigraph that made it

(:Cell)-[:FORECAST]->(:ForecastRun) What is expected of a cell.
skill | list, 1 | as that of the run, for the cell; absent for one that never changes
expected, expected_low, expected_high | list, 1 | the trace after the last frame, and its 95 % interval
probability | 1 | that it lights up within `within_s` after the last frame; absent where it is lit
nats | 1 | as that of the run, for the cell; absent without events in the last quarter
noise_ratio | 1 | deviation of a frame's noise over that of the trace
"""
BARE = ("INCLUDES", "HAS_CELL", "HAS_EVENT", "OF", "PART_OF", "STARTED_AT", "TRAINED_ON")
"""Relationships without properties."""


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    names: tuple[str, ...]
    kind: str
    """A unit, or what kind of value it is; "1" for a number without dimension."""
    meaning: str


@dataclass(frozen=True)
class Table:
    """A label or a relationship with its properties."""

    pattern: str
    """Such as "(:Cell)-[:FITTED]->(:FitRun)"."""
    meaning: str
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        """The label, or the relationship's type."""
        found = re.search(r"\[:(\w+)", self.pattern) or re.search(r"\(:(\w+)", self.pattern)
        return found[1] if found else ""

    @property
    def relationship(self) -> bool:
        """Whether it is a relationship."""
        return "[" in self.pattern

    def has(self, name: str) -> bool:
        """Whether a property of this name is described, by itself or by a pattern such as "fact_<name>"."""
        return any(re.fullmatch(_expression(each), name) for line in self.lines for each in line.names)


def _expression(name: str) -> str:
    """A described name as a regular expression; <parameter> alone describes whatever else a model gives."""
    return re.sub(r"<\w+>", r"[A-Za-z]\\w*", name)


@cache
def tables() -> tuple[Table, ...]:
    """All labels and relationships that have properties."""
    return tuple(_parsed(_TEXT))


def labels() -> frozenset[str]:
    """All labels."""
    return frozenset(table.name for table in tables() if not table.relationship)


def types() -> frozenset[str]:
    """All types of relationships."""
    return frozenset(table.name for table in tables() if table.relationship) | frozenset(BARE)


def _parsed(text: str) -> Iterator[Table]:
    for block in text.strip().split("\n\n"):
        head, *rest = block.splitlines()
        pattern, _, meaning = head.partition(" ")
        lines = []
        for line in rest:
            names, kind, told = (part.strip() for part in line.split("|"))
            lines.append(Line(tuple(names.split(", ")), kind, told))
        yield Table(pattern, meaning, tuple(lines))


def page() -> str:
    """The tables as docs/graph.md has them."""
    parts = []
    for table in tables():
        rows = [f"| {', '.join(f'`{name}`' for name in x.names)} | {x.kind} | {x.meaning} |" for x in table.lines]
        head = f"**`{table.pattern}`** {_marked(table.meaning)}"
        parts.append("\n".join([head, "", "| property | unit | meaning |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def _marked(text: str) -> str:
    """A sentence with its Cypher patterns as code."""
    return re.sub(r"(\(:\w+\)(?:-\[:\w+\]->\(:\w+\))+)", r"`\1`", text)


if __name__ == "__main__":
    print(page(), end="")
