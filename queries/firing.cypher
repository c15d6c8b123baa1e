// What `compare` reads of events: for each cell of several cultures that was looked at, its events in the complete run.
// parameter cultures: list
// parameter stale: bool = false   events of masks that were mended since, too
// column culture: string
// column intensity_gain: float
// column pixel_size_um: float
// column frames: int
// column frame_interval_s: float
// column settings: string   JSON
// column duration_s: float   of the recording
// column label: int
// column noise: float   deviation of one frame's noise, normalised
// column amplitudes: list   normalised, one value an event
// column dff: list   dF/F0 of the peaks, one value an event that has one
// order culture, label
MATCH (c:Culture {complete: true})<-[:OF]-(r:EventRun {complete: true})
WHERE c.uid IN $cultures AND ($stale OR r.stale IS NULL)
MATCH (k:Cell)-[m:MEASURED]->(r)
OPTIONAL MATCH (k)-[:HAS_EVENT]->(e:Event) WHERE e.run = r.run
RETURN c.uid AS culture, c.intensity_gain AS intensity_gain, c.pixel_size_um AS pixel_size_um, c.frames AS frames,
       c.frame_interval_s AS frame_interval_s, r.settings AS settings, r.duration_s AS duration_s, k.label AS label,
       m.noise AS noise, collect(e.amplitude) AS amplitudes, collect(e.dff) AS dff
