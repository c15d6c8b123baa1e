// Contacts that waves crossed and at which they stopped, the worst barriers first.
// parameter culture: string
// column label_a: int
// column label_b: int
// column shared_border_px: float
// column a_to_b: int   events of b that came after one of a
// column b_to_a: int
// column at_once: int   the frames cannot show which came first
// column stopped: int   waves that one of the two cells was part of, and the other not
// column share: float   crossed / (crossed + stopped), null where no wave came
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[ma:MEASURED]-(a:Cell)
WITH r, ma, a, [(a)-[:HAS_EVENT]->(e:Event)-[:PRECEDES]->(f:Event) WHERE e.run = r.run | f.label] AS after,
     [(a)-[:HAS_EVENT]->(e:Event)<-[:PRECEDES]-(f:Event) WHERE e.run = r.run | f.label] AS before,
     [(a)-[:HAS_EVENT]->(e:Event)-[:COINCIDES]-(f:Event) WHERE e.run = r.run | f.label] AS ties
MATCH (a)-[x:ADJACENT]->(b:Cell)-[mb:MEASURED]->(r)
WITH a.label AS label_a, b.label AS label_b, x.shared_border_px AS shared_border_px,
     size([label IN after WHERE label = b.label]) AS a_to_b,
     size([label IN before WHERE label = b.label]) AS b_to_a,
     size([label IN ties WHERE label = b.label]) AS at_once,
     size([w IN ma.waves WHERE NOT w IN mb.waves]) + size([w IN mb.waves WHERE NOT w IN ma.waves]) AS stopped
WITH label_a, label_b, shared_border_px, a_to_b, b_to_a, at_once, stopped, a_to_b + b_to_a + at_once AS crossed
RETURN label_a, label_b, shared_border_px, a_to_b, b_to_a, at_once, stopped,
       CASE WHEN crossed + stopped = 0 THEN null ELSE 1.0 * crossed / (crossed + stopped) END AS share
ORDER BY coalesce(share, 2.0), stopped DESC, label_a, label_b
