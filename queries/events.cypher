// The calcium events of a culture, by cell and onset.
// parameter culture: string
// column culture: string
// column label: int
// column number: int   among the events of its cell, from 1
// column uid: string
// column wave: int   the number of the wave or flash that it is part of, null for none
// column onset_s: float   when the rise begins, between frames; _se: standard error
// column onset_se_s: float
// column half_s: float   when the rise reaches half of the amplitude
// column half_se_s: float
// column peak_s: float
// column end_s: float
// column interval_s: float   from the onset of the cell's event before
// column amplitude: float   above the baseline, in the units of the traces
// column dff: float   dF/F0 at the peak
// column rise_s: float
// column decay_s: float
// column area: float
// column snr: float   amplitude in deviations of one frame's noise
// column quality: float   0 to 1
// column cut_start: bool   the recording began during the event
// column cut_end: bool
// column own_share: float   share of the rise that no neighbour explains, null where coupling is not identified
// column own_share_low: float
// column own_share_high: float
// order label, number
// shown label, number, wave, onset_s, peak_s, amplitude, dff, snr, own_share
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[:MEASURED]-(c:Cell)-[:HAS_EVENT]->(e:Event)
WHERE e.run = r.run
OPTIONAL MATCH (e)-[:PART_OF]->(w:Wave)
RETURN e.culture AS culture, e.label AS label, e.number AS number, e.uid AS uid, w.number AS wave,
       e.onset_s AS onset_s, e.onset_se_s AS onset_se_s, e.half_s AS half_s, e.half_se_s AS half_se_s,
       e.peak_s AS peak_s, e.end_s AS end_s, e.interval_s AS interval_s, e.amplitude AS amplitude, e.dff AS dff,
       e.rise_s AS rise_s, e.decay_s AS decay_s, e.area AS area, e.snr AS snr, e.quality AS quality,
       e.cut_start AS cut_start, e.cut_end AS cut_end,
       e.own_share AS own_share, e.own_share_low AS own_share_low, e.own_share_high AS own_share_high
