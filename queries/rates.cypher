// How often each cell fires, how strongly and how regularly.
// parameter culture: string
// column label: int
// column uid: string
// column border: bool
// column events: int
// column event_rate_per_h: float
// column amplitude: float   mean, in the units of the traces
// column dff: float   mean dF/F0 at the peaks
// column interval_s: float   mean time from one onset to the next
// column interval_sd_s: float   its standard deviation, null for fewer than two intervals
// column own_share: float   mean share of the rises that no neighbour explains
// column noise: float   deviation of one frame's noise
// order label
// shown label, border, events, event_rate_per_h, amplitude, dff, interval_s, own_share
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[m:MEASURED]-(c:Cell)
OPTIONAL MATCH (c)-[:HAS_EVENT]->(e:Event) WHERE e.run = r.run
WITH c.label AS label, c.uid AS uid, c.border AS border, m.events AS events, m.event_rate_per_h AS event_rate_per_h,
     m.noise AS noise, avg(e.amplitude) AS amplitude, avg(e.dff) AS dff, avg(e.interval_s) AS interval_s,
     count(e.interval_s) AS intervals, stDev(e.interval_s) AS spread, avg(e.own_share) AS own_share
RETURN label, uid, border, events, event_rate_per_h, amplitude, dff, interval_s,
       CASE WHEN intervals > 1 THEN spread ELSE null END AS interval_sd_s, own_share, noise
