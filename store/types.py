"""The frozen values that pass between ingest, graph, models and queries.

Arrays are never written to after construction. Lengths are in pixels, times in seconds, rates in 1/s, intensities
in the normalised units of eq. 23 (arXiv:2505.20327), unless a name says otherwise. In shapes, `n` is the number of
cells, `m` of contacts, `T` of frames, `Y` x `X` of pixels, and `p` of fitted (inner) cells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calcigraph.store.progress import Progress as Progress
from calcigraph.store.progress import silent as silent
from calcigraph.store.shown import ShownCulture, ShownFit

if TYPE_CHECKING:
    import networkx

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
LabelImage = NDArray[np.int32]


@dataclass(frozen=True)
class FrameTimes:
    """What a file says of the times of its frames; None where it says nothing."""

    interval_s: float | None = None
    """One number for all frames."""
    interval_from: str = ""
    """Where that number stands, such as "TimeIncrement"."""
    times_s: FloatArray | None = None
    """(T,), a time stamp for each frame, in the order of the frames; NaN for a frame without one."""
    times_from: str = ""
    """Where the stamps stand, such as "DeltaT of its planes"."""
    resolution_s: float = 0.0
    """What the stamps are rounded to; 0 for nothing that matters."""
    numbers: IntArray | None = None
    """(T,), the frames' numbers in an even series of which some may be missing."""
    numbers_from: str = ""
    """Where the numbers stand, such as "the names of its files"."""

    def chosen(self, frames: IntArray) -> FrameTimes:
        """Of some of the frames, given by their places, ascending."""
        numbers = frames if self.numbers is None else self.numbers[frames]
        return replace(
            self,
            times_s=None if self.times_s is None else self.times_s[frames],
            numbers=numbers,
            numbers_from=self.numbers_from or "the frames that were chosen",
        )


@dataclass(frozen=True)
class MovieInfo:
    """What a movie file says of itself; made by `open_movie`. Absent metadata is None, never a guess."""

    shape: tuple[int, int, int]
    """(T, Y, X)."""
    dtype: str
    """NumPy name in native byte order, such as "uint16"."""
    pixel_size_um: float | None
    source: str
    """The path as the user gave it."""
    times: FrameTimes = field(default_factory=FrameTimes)
    notes: tuple[str, ...] = ()
    """What was done to the numbers of the file or left out of it, one line each, for the user."""
    picked: tuple[tuple[str, int | str], ...] = ()
    """Which scene, channel and z-plane of a file with several: ("channel", 1), ("channel_name", "GCaMP6s"), ..."""

    @property
    def frame_interval_s(self) -> float | None:
        """The distance of the frames as the file says it, the usual one where it gives only time stamps."""
        if self.times.interval_s is not None or self.times.times_s is None:
            return self.times.interval_s
        steps = np.diff(self.times.times_s[np.isfinite(self.times.times_s)])
        return float(np.median(steps)) if len(steps) and np.median(steps) > 0 else None


@dataclass(frozen=True)
class Masks:
    """A label image and where it came from; made by `read_masks` (checked) or by the segmentation."""

    labels: LabelImage
    """(Y, X) int32, 0 for background; the file's own integers, never renumbered."""
    source: str
    """"file:<name>" or "cellpose:<model>"."""
    digest: str
    """Hash of what decides the masks: the label image, or the segmentation model's weights."""


@dataclass(frozen=True)
class Normalisation:
    """Eq. 23: normalised = (d - offset) * gain, with d = log(x + 1) of the denoised pixel x.

    With q1 and q3 the quartiles of d over the movie, IQR = q3 - q1: offset = q1 - 2 IQR, gain = 1 / (5 IQR).

    Examples
    --------
    >>> scale = Normalisation(q1=5.0, q3=7.0)
    >>> scale.offset, scale.gain
    (1.0, 0.1)
    """

    q1: float
    """Lower quartile of log(x + 1)."""
    q3: float
    """Upper quartile of log(x + 1), above q1."""

    @property
    def offset(self) -> float:
        """The value of log(x + 1) that becomes 0."""
        return self.q1 - 2 * (self.q3 - self.q1)

    @property
    def gain(self) -> float:
        """Normalised intensity per unit of log(x + 1)."""
        return 1 / (5 * (self.q3 - self.q1))


@dataclass(frozen=True, repr=False)
class Culture(ShownCulture):
    """One recording: a node `Culture` of the graph."""

    uid: str
    """Its name."""
    experiment: str | None
    condition: str | None
    frames: int
    frame_interval_s: float
    pixel_size_um: float | None
    height_px: int | None
    width_px: int | None
    movie: str | None
    """The OME-Zarr store, relative to the workspace; None for cultures that came as traces."""
    masks: str
    """Where the cells came from: Masks.source, "traces" (a table), or "traces:<program>", such as "traces:suite2p"."""
    input_digest: str
    """Hash of movie, masks and options: the same digest means the same ingest."""
    options: Mapping[str, Any]
    """The ingest's options that decide its result, JSON-able."""
    intensity_offset: float
    """The value of log(x + 1) that becomes 0 (eq. 23); 0 for traces stored as given."""
    intensity_gain: float
    """Normalised intensity per unit of log(x + 1); 1 for traces stored as given. Compare feeds as feed / gain."""
    bleaching: float | None
    """Relative fall of the frames' mean over the movie: 0.1 is 10 %, below 0 it rises (ingest.quality.fall)."""
    shift_px: float | None
    """Largest displacement of a frame against the first."""
    saturated: float | None
    """Share of pixels at the top of the camera's range."""
    warnings: tuple[str, ...]
    """Sentences for the user: what may be wrong with the recording."""
    created: str
    """UTC, ISO 8601."""
    version: str
    """Of calcigraph."""
    complete: bool = False
    """Whether all of it is stored: set by the last transaction of its ingest."""
    time_s: tuple[float, ...] | None = None
    """(T,), when each frame was taken, from 0; None where frames are even and the interval says it all."""
    tissue: Mapping[str, Any] = field(default_factory=dict)
    """Counts of the cells, their coverage, contacts and gaps, JSON-able (ingest.tissue_check); empty for traces."""
    light: Mapping[str, Any] = field(default_factory=dict)
    """Light that is not the cells' own, JSON-able (store.light); empty for traces."""
    registration: Mapping[str, Any] = field(default_factory=dict)
    """x_px, y_px, degrees: where the tissue was in each frame, JSON-able (store.registered); empty if not asked for."""
    doubts: tuple[str, ...] = ()
    """What speaks against the contacts or the traces: any of it makes the word of every k `weak` at best."""
    movie_uri: str | None = None
    """Where the store was written, such as "file://host/home/ann/ws/movies/A.ome.zarr": others may share the graph."""
    movie_digest: str | None = None
    """SHA-256 of the store's zarr.json, which has those of its other files; None where it came without a movie."""
    plan: str | None = None
    """JSON: what the plan that made it said of it, once all of that was done (calcigraph.plan)."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    """What the user said of it by `annotate`, beside experiment and condition."""


@dataclass(frozen=True)
class Cells:
    """The cells of a culture, sorted by label, one row each."""

    labels: IntArray
    """(n,), the mask's own integers."""
    area_px: FloatArray
    """(n,), number of pixels; NaN where the recording has no masks."""
    x_px: FloatArray
    """(n,), column of the centroid."""
    y_px: FloatArray
    """(n,), row of the centroid."""
    border: BoolArray
    """(n,), whether neighbours of the cell may be missing from the recording."""
    polygons: tuple[str | None, ...]
    """(n,), outlines as WKT, with holes: y down, pixel corners at integers; None where the recording has no masks."""
    intensity: FloatArray
    """(n, T), normalised."""
    flags: tuple[str, ...]
    """(n,), "" or what a reader must know of this cell's trace, such as "no inset"."""
    open_px: FloatArray | None = None
    """(n,), outline beside a place where a cell may have been missed (store.places); None where there are no masks."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Contacts:
    """Pairs of cells that touch, each pair once, sorted."""

    label_a: IntArray
    """(m,), the smaller label."""
    label_b: IntArray
    """(m,), the larger label."""
    shared_border_px: FloatArray
    """(m,), number of pixel pairs, side by side, of which one lies in each cell; NaN where there are no masks."""
    centroid_distance_px: FloatArray
    """(m,)."""

    def __len__(self) -> int:
        return len(self.label_a)


@dataclass(frozen=True)
class CultureData:
    """All that an ingest produces and the graph stores."""

    culture: Culture
    cells: Cells
    contacts: Contacts


@dataclass(frozen=True)
class Subgraph:
    """The models' input: one culture's cells and contacts; made by queries.subgraph.

    Examples
    --------
    >>> two, one = np.zeros(2), np.ones(1)
    >>> graph = Subgraph(
    ...     culture="A", frame_interval_s=10.0, labels=np.array([3, 7]), x_px=two, y_px=two, border=two > 0,
    ...     intensity=np.zeros((2, 5)), pairs=np.array([[0, 1]]), shared_border_px=one, centroid_distance_px=one,
    ... )
    >>> graph.has_borders, list(graph.to_networkx().edges)
    (True, [(3, 7)])
    """

    culture: str
    """Its uid."""
    frame_interval_s: float
    labels: IntArray
    """(n,), sorted."""
    x_px: FloatArray
    """(n,), column of the centroid."""
    y_px: FloatArray
    """(n,), row of the centroid."""
    border: BoolArray
    """(n,), whether neighbours of the cell may be missing from the recording."""
    intensity: FloatArray
    """(n, T), normalised."""
    pairs: IntArray
    """(m, 2), the cells of each contact as indices into labels, pairs[:, 0] < pairs[:, 1]."""
    shared_border_px: FloatArray
    """(m,), NaN where unknown."""
    centroid_distance_px: FloatArray
    """(m,)."""
    intensity_gain: float = 1.0
    """Normalised intensity per unit of log(x + 1)."""
    intensity_offset: float | None = None
    """The value of log(x + 1) that becomes 0; None for traces stored as given, which are brightness itself."""
    area_px: FloatArray | None = None
    """(n,)."""
    time_s: FloatArray | None = None
    """(T,), when each frame was taken, from 0; None where that is its number times the frame interval."""
    doubts: tuple[str, ...] = ()
    """Culture.doubts."""
    open_px: FloatArray | None = None
    """(n,), outline beside a place where a cell may have been missed, px; None where that was not measured."""
    neighbours_light: float = 0.0
    """Share of the light in the traces that is the neighbours', as far as the movie tells it."""

    @property
    def has_borders(self) -> bool:
        """Whether every contact has a shared border length (False for cultures that came as traces)."""
        return not bool(np.isnan(self.shared_border_px).any())

    @property
    def frame_times(self) -> FloatArray:
        """(T,), when each frame was taken, from 0, also where frames are even."""
        return np.arange(self.intensity.shape[1]) * self.frame_interval_s if self.time_s is None else self.time_s

    def brightness(self, values: FloatArray) -> FloatArray:
        """The light x at values of traces, in the movie's counts or as the traces were given (eq. 23 undone)."""
        if self.intensity_offset is None:
            return values
        return np.asarray(np.expm1(values / self.intensity_gain + self.intensity_offset))

    def to_networkx(self, frame: int = 0) -> networkx.Graph[int]:
        """The paper's graph at one frame.

        Parameters
        ----------
        frame
            From 0.

        Returns
        -------
        Nodes are labels, with intensity, x_px, y_px and border. Edges are contacts, with centroid_distance_px, and
        shared_border_px where it is known. The graph knows its culture and frame.
        """
        import networkx

        graph: networkx.Graph[int] = networkx.Graph(culture=self.culture, frame=frame)
        for row, label in enumerate(self.labels.tolist()):
            graph.add_node(
                label,
                intensity=float(self.intensity[row, frame]),
                x_px=float(self.x_px[row]),
                y_px=float(self.y_px[row]),
                border=bool(self.border[row]),
            )
        labels = self.labels.tolist()
        ends = zip(self.pairs.tolist(), self.shared_border_px.tolist(), self.centroid_distance_px.tolist(), strict=True)
        for (a, b), border, distance in ends:
            # A value that is not known is left out: GraphML, GEXF and GML have no word for it.
            known = {} if np.isnan(border) else {"shared_border_px": border}
            graph.add_edge(labels[a], labels[b], **known, centroid_distance_px=distance)
        return graph


@dataclass(frozen=True, repr=False)
class Fit(ShownFit):
    """One fitted model of one culture. Failure to converge is an outcome that is kept, with advice."""

    culture: str
    model: str
    case: str
    settings: Mapping[str, Any]
    """What the user decided, defaults included; JSON-able. Fits are compared only where these agree."""
    labels: IntArray
    """(p,), the inner cells that were fitted."""
    k: float | None
    """1/s; the culture's coupling, the median over inner cells where each has its own."""
    feed: float | None
    """Normalised intensity per second; the culture's feed, the median over inner cells where each has its own."""
    cells: Mapping[str, FloatArray]
    """Per-cell values, each (p,), NaN for absent: k, feed, k_cell, mse_train, mse_test, ... by parameter name."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Per-cell words, each (p,), such as group: "good", "misses peaks", "wrong magnitude"."""
    k_low: float | None = None
    k_high: float | None = None
    feed_low: float | None = None
    feed_high: float | None = None
    mse_train: float | None = None
    mse_test: float | None = None
    null_k: float | None = None
    """1/s: a rough k, for its `_mean`, `_z` and `_p`: do neighbours share more than a smooth drive gives them?"""
    null_k_mean: float | None = None
    null_k_z: float | None = None
    null_k_p: float | None = None
    null_sync: float | None = None
    """Mean correlation of changes between contacts, without a smooth drive; less its `_mean`, it compares cultures."""
    null_sync_mean: float | None = None
    null_sync_z: float | None = None
    null_sync_p: float | None = None
    identified: str | None = None
    """"identified", "weak" or "not identified": whether the data tell the culture's k."""
    why: tuple[str, ...] = ()
    """What speaks against it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What followed from the culture and its data: weight scale, frames, half-width, noise level, ...; JSON-able."""
    curves: Mapping[str, Any] = field(default_factory=dict)
    """What can be drawn of a training: losses, paths of parameters, the network's traces; JSON-able."""
    advice: tuple[str, ...] = ()
    """What the user should know of this fit: parameters at a bound, ..."""

    @property
    def settings_hash(self) -> str:
        """First 12 hex digits of the SHA-256 of model, case and settings in canonical JSON."""
        text = json.dumps([self.model, self.case, dict(self.settings)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def run(self) -> str:
        """The FitRun's uid: the same culture, model and settings always give the same run."""
        return f"{self.culture}:{self.model}:{self.settings_hash}"
