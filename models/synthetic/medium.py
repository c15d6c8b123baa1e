"""Waves over contacts in a coupled culture: what its cells fire, as an influx like that of spikes.

The medium is that of excitable.py. The spikes of the culture are the cells' own events in it: they set off no other
cell, and are left out where the cell is still refractory. What fires brings calcium as a spike does, which is then
passed on by the coupling, if there is any. So waves run, whatever k is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calcigraph.models.synthetic.excitable import Fired, PlantedWave, numbered, spread
from calcigraph.models.synthetic.grid import Grid
from calcigraph.models.synthetic.label_geometry import LabelGeometry
from calcigraph.models.synthetic.options import SyntheticOptions
from calcigraph.models.synthetic.streams import MEDIUM, stream
from calcigraph.models.synthetic.wave_options import WaveOptions
from calcigraph.models.synthetic.wave_plans import Plan, planned
from calcigraph.store.types import BoolArray, FloatArray, IntArray

DRAWS = 10
"""Times that waves are drawn until each finds a cell that can fire; what still finds none does not happen."""


@dataclass(frozen=True)
class Medium:
    """What fired in the N cells of a whole tissue."""

    cells: IntArray
    """(N,), labels."""
    plans: list[Plan]
    row: IntArray
    """(e,), of the events of waves and flashes."""
    time_s: FloatArray
    wave: IntArray
    """(e,), places in `plans`."""
    spikes: BoolArray
    """(N, spikes), which of the culture's spikes happened."""

    def starts(self, grid: Grid) -> tuple[IntArray, BoolArray]:
        """The points at which each cell's events start, (N, most of a cell), and which of these places are taken."""
        size = len(self.cells)
        order = np.argsort(self.row, kind="stable")
        row = self.row[order]
        place = np.arange(len(row)) - np.searchsorted(row, row)
        starts = np.zeros((size, int(place.max(initial=-1)) + 1), np.int64)
        taken = np.zeros(starts.shape, np.bool_)
        starts[row, place] = np.rint(self.time_s[order] / grid.step).astype(np.int64) + grid.first
        taken[row, place] = True
        return starts, taken

    def seen(self, shown: IntArray) -> tuple[tuple[tuple[int, float, int], ...], tuple[PlantedWave, ...]]:
        """Label, second and wave of the events in the cells of a picture, sorted, and the waves of these."""
        label = self.cells[self.row]
        inside = np.isin(label, shown)
        label, time = label[inside], self.time_s[inside]
        wave, waves = numbered(self.cells, self.plans, label, self.wave[inside])
        return tuple(sorted(zip(label.tolist(), time.tolist(), wave.tolist(), strict=True))), waves


def excite(options: SyntheticOptions, geometry: LabelGeometry, spike_s: FloatArray) -> Medium | None:
    """What waves over contacts and flashes make cells fire, or None without any.

    Parameters
    ----------
    options
        The culture's.
    geometry
        All cells of the tissue.
    spike_s
        (N, spikes), when the cells' own spikes would start.
    """
    if not (options.contact_waves or options.wave_collisions or options.flashes):
        return None
    of_waves, rng = _options(options), stream(options, MEDIUM)
    rows = np.broadcast_to(np.arange(len(spike_s))[:, None], spike_s.shape)
    own = list(zip(spike_s.ravel().tolist(), rows.ravel().tolist(), strict=True))
    for _ in range(DRAWS):
        plans = planned(of_waves, geometry, rng)
        fired = spread(of_waves, geometry, plans, rng, own)
        if len(set(fired.wave) - {-1}) == len(plans):
            break
    row, time, wave = _columns(fired)
    # Of two spikes at one moment the second finds the cell refractory.
    happened = dict.fromkeys(zip(time[wave < 0].tolist(), row[wave < 0].tolist(), strict=True), True)
    return Medium(
        cells=geometry.cells,
        plans=plans,
        row=row[wave >= 0],
        time_s=time[wave >= 0],
        wave=wave[wave >= 0],
        spikes=np.array([happened.pop(each, False) for each in own], np.bool_).reshape(spike_s.shape),
    )


def _columns(fired: Fired) -> tuple[IntArray, FloatArray, IntArray]:
    return np.array(fired.row, np.int64), np.array(fired.time, np.float64), np.array(fired.wave, np.int64)


def _options(options: SyntheticOptions) -> WaveOptions:
    """The medium's options of a culture."""
    return WaveOptions(
        cells=options.cells,
        frames=options.frames,
        size_px=options.size_px,
        frame_interval_s=options.frame_interval_s,
        waves=options.contact_waves,
        collisions=options.wave_collisions,
        flashes=options.flashes,
        speed_low_px_s=options.contact_wave_speed,
        speed_high_px_s=options.contact_wave_speed,
        reach_low_px=options.contact_wave_reach_px,
        reach_high_px=options.contact_wave_reach_px,
        failure=options.wave_failure,
    )
