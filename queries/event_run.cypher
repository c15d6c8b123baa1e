// What was found in a culture: how many events, cells that fire, waves.
// parameter culture: string
// column culture: string
// column events: int
// column active_cells: int   cells with an event
// column cells: int
// column event_rate_per_h: float   events of a cell and hour, over all cells
// column waves: int
// column flashes: int
// column links: int   pairs of neighbours' events of which one may have set off the other
// column ties: int   such pairs of which the frames cannot show the order
// column duration_s: float
// column settings: string   JSON: what the user decided, defaults included
// column facts: string   JSON: what followed from the data
// column advice: list
// column stale: string   why it no longer goes with the culture's masks; null where it does
// column created: string
// column version: string
// column found: string   all this as a sentence, made in Python
MATCH (k:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
RETURN k.uid AS culture, r.events AS events, r.active_cells AS active_cells, r.cells AS cells,
       3600.0 * r.events / (r.cells * r.duration_s) AS event_rate_per_h, r.waves AS waves, r.flashes AS flashes,
       r.links AS links, r.ties AS ties, r.duration_s AS duration_s, r.settings AS settings, r.facts AS facts,
       r.advice AS advice, r.stale AS stale, r.created AS created, r.version AS version
