// Cells whose coupling, feed, error, number of events or place in waves departs from the culture or their neighbours.
// parameter culture: string
// parameter model: string = robust
// parameter threshold: float = 3.5   robust deviations: 1.4826 times the culture's median absolute deviation
// column label: int
// column uid: string
// column k_cell: float
// column k_cell_low: float   _low and _high: its 95 % interval, because a value that is only imprecise is no anomaly
// column k_cell_high: float
// column feed: float
// column feed_low: float
// column feed_high: float
// column mse_train: float
// column neighbours: list   their labels; the medians are taken in Python, so that both engines give the same bits
// column events: int   null where none were looked for
// column duration_s: float   of the recording
// column started: list   numbers of the waves that it may have begun
// column links: list   for each event, how many events of neighbours it precedes, and how many precede it
// order label
MATCH (:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(k:Cell)
OPTIONAL MATCH (k)-[m:MEASURED]->(r:EventRun {complete: true})
RETURN k.label AS label, k.uid AS uid, k[$model + '_k_cell'] AS k_cell, k[$model + '_k_cell_low'] AS k_cell_low,
       k[$model + '_k_cell_high'] AS k_cell_high, k[$model + '_feed'] AS feed, k[$model + '_feed_low'] AS feed_low,
       k[$model + '_feed_high'] AS feed_high, k[$model + '_mse_train'] AS mse_train,
       [(k)-[:ADJACENT]-(n:Cell) | n.label] AS neighbours, m.events AS events, r.duration_s AS duration_s,
       [(k)<-[:STARTED_AT]-(w:Wave {run: r.run}) | w.number] AS started,
       [(k)-[:HAS_EVENT]->(e:Event {run: r.run})
        | [COUNT { (e)-[:PRECEDES]->(:Event) }, COUNT { (e)<-[:PRECEDES]-(:Event) }]] AS links
