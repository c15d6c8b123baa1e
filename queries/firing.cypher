// What `compare` reads of events without medians: for each cell of a culture, its events in the complete run.
// parameter culture: string
// column label: int
// column noise: float   deviation of one frame's noise, normalised
// column amplitudes: list   normalised, one value an event
// column dff: list   dF/F0 of the peaks, one value an event that has one
// order label
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (k:Cell)-[m:MEASURED]->(r)
OPTIONAL MATCH (k)-[:HAS_EVENT]->(e:Event) WHERE e.run = r.run
RETURN k.label AS label, m.noise AS noise, collect(e.amplitude) AS amplitudes, collect(e.dff) AS dff
