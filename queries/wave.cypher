// The path of one wave: its events in order, and which cells went before.
// parameter culture: string
// parameter wave: int   its number in `query waves`
// column wave: int
// column step: int   from 1, counted in Python
// column label: int
// column number: int   of the event among those of its cell
// column half_s: float
// column after_s: float   since the wave's first event
// column x_px: float
// column y_px: float
// column from: list   labels of the neighbours whose event of this wave came before
// column ties: list   labels of the neighbours that cannot be told apart in time
// order half_s, label
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(:EventRun {complete: true})<-[:OF]-(w:Wave {number: $wave})
MATCH (w)<-[:PART_OF]-(e:Event)<-[:HAS_EVENT]-(c:Cell)
RETURN w.number AS wave, c.label AS label, e.number AS number, e.half_s AS half_s, e.half_s - w.onset_s AS after_s,
       c.x_px AS x_px, c.y_px AS y_px,
       [(e)<-[:PRECEDES]-(f:Event)-[:PART_OF]->(v:Wave) WHERE v.uid = w.uid | f.label] AS from,
       [(e)-[:COINCIDES]-(f:Event)-[:PART_OF]->(v:Wave) WHERE v.uid = w.uid | f.label] AS ties
