// What pictures read: the links between events of a culture, ties left out, by cell and number of the event.
// parameter culture: string
// column before: int   label of the cell whose event came before
// column before_number: int   of the event among those of its cell
// column after: int
// column after_number: int
// column lag_s: float
// column p: float
// order before, before_number, after, after_number
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[:MEASURED]-(:Cell)-[:HAS_EVENT]->(e:Event)-[x:PRECEDES]->(f:Event)
WHERE e.run = r.run
RETURN e.label AS before, e.number AS before_number, f.label AS after, f.number AS after_number,
       x.lag_s AS lag_s, x.p AS p
