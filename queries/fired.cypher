// What `compare` reads of events: the complete run of each of several cultures, with the medians over its cells.
// parameter cultures: list
// parameter stale: bool = false   events of masks that were mended since, too
// column culture: string
// column intensity_gain: float
// column pixel_size_um: float
// column frames: int
// column frame_interval_s: float
// column settings: string   JSON
// column stale: string
// column duration_s: float   of the recording
// column cells: int   that were looked at
// column events: int
// column waves: int   flashes are left out
// column speeds: list   px/s, of the waves that have one
// column middles: map   median_ and mad_ of cells' events, heights and noise; a run of an older calcigraph has none
// order culture
MATCH (c:Culture {complete: true})<-[:OF]-(r:EventRun {complete: true})
WHERE c.uid IN $cultures AND ($stale OR r.stale IS NULL)
OPTIONAL MATCH (r)<-[:OF]-(w:Wave {kind: 'wave'})
WITH c, r, count(w) AS waves, collect(w.speed_px_s) AS speeds
RETURN c.uid AS culture, c.intensity_gain AS intensity_gain, c.pixel_size_um AS pixel_size_um, c.frames AS frames,
       c.frame_interval_s AS frame_interval_s, r.settings AS settings, r.stale AS stale, r.duration_s AS duration_s,
       r.cells AS cells, r.events AS events, waves, speeds,
       {median_events: r.median_events, mad_events: r.mad_events, median_amplitude: r.median_amplitude,
        mad_amplitude: r.mad_amplitude, median_dff: r.median_dff, mad_dff: r.mad_dff,
        median_noise: r.median_noise, mad_noise: r.mad_noise} AS middles
