// How often cells in contact that fire at all fire together.
// parameter culture: string
// column label_a: int
// column label_b: int
// column events_a: int
// column events_b: int
// column together: int   events of one that came with an event of the other, before, after or at once
// column a_first: int
// column b_first: int
// column at_once: int   the frames cannot show which came first
// column share: float   together / (events_a + events_b - together)
// order label_a, label_b
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[ma:MEASURED]-(a:Cell)
WHERE ma.events > 0
WITH r, ma.events AS events_a, a, [(a)-[:HAS_EVENT]->(e:Event)-[:PRECEDES]->(f:Event) WHERE e.run = r.run | f.label] AS after,
     [(a)-[:HAS_EVENT]->(e:Event)<-[:PRECEDES]-(f:Event) WHERE e.run = r.run | f.label] AS before,
     [(a)-[:HAS_EVENT]->(e:Event)-[:COINCIDES]-(f:Event) WHERE e.run = r.run | f.label] AS ties
MATCH (a)-[:ADJACENT]->(b:Cell)-[mb:MEASURED]->(r)
WHERE mb.events > 0
WITH a.label AS label_a, b.label AS label_b, events_a, mb.events AS events_b,
     size([label IN after WHERE label = b.label]) AS a_first, size([label IN before WHERE label = b.label]) AS b_first,
     size([label IN ties WHERE label = b.label]) AS at_once
WITH label_a, label_b, events_a, events_b, a_first, b_first, at_once, a_first + b_first + at_once AS together
RETURN label_a, label_b, events_a, events_b, together, a_first, b_first, at_once,
       1.0 * together / (events_a + events_b - together) AS share
