// Cells whose events are followed most by those of neighbours.
// parameter culture: string
// column label: int
// column uid: string
// column events: int
// column followed: int   events of neighbours that came after one of its own
// column followed_per_event: float
// column followers: int   neighbours that did so at least once
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[m:MEASURED]-(c:Cell)-[:HAS_EVENT]->(e:Event)-[:PRECEDES]->(f:Event)
WHERE e.run = r.run
WITH c.label AS label, c.uid AS uid, m.events AS events, count(*) AS followed, count(DISTINCT f.label) AS followers
RETURN label, uid, events, followed, 1.0 * followed / events AS followed_per_event, followers
ORDER BY followed DESC, label
