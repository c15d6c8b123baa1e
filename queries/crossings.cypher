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
// Links and contacts each once, then added up: to look for every contact's links took half as long again.
CALL {
  WITH r
  MATCH (r)<-[:MEASURED]-(:Cell)-[:HAS_EVENT]->(e:Event)-[x:PRECEDES|COINCIDES]->(f:Event)
  WHERE e.run = r.run
  WITH e.label AS one, f.label AS other, type(x) = 'COINCIDES' AS tie, count(*) AS times
  RETURN CASE WHEN one < other THEN one ELSE other END AS label_a,
         CASE WHEN one < other THEN other ELSE one END AS label_b,
         CASE WHEN tie OR one > other THEN 0 ELSE times END AS forth,
         CASE WHEN tie OR one < other THEN 0 ELSE times END AS back,
         CASE WHEN tie THEN times ELSE 0 END AS ties, 0 AS stops, null AS border_px
  UNION ALL
  WITH r
  MATCH (r)<-[ma:MEASURED]-(a:Cell)-[x:ADJACENT]->(b:Cell)-[mb:MEASURED]->(s:EventRun)
  WHERE s.run = r.run
  RETURN a.label AS label_a, b.label AS label_b, 0 AS forth, 0 AS back, 0 AS ties,
         size([w IN ma.waves WHERE NOT w IN mb.waves]) + size([w IN mb.waves WHERE NOT w IN ma.waves]) AS stops,
         x.shared_border_px AS border_px
}
WITH label_a, label_b, max(border_px) AS shared_border_px, sum(forth) AS a_to_b, sum(back) AS b_to_a,
     sum(ties) AS at_once, sum(stops) AS stopped
WITH label_a, label_b, shared_border_px, a_to_b, b_to_a, at_once, stopped, a_to_b + b_to_a + at_once AS crossed
RETURN label_a, label_b, shared_border_px, a_to_b, b_to_a, at_once, stopped,
       CASE WHEN crossed + stopped = 0 THEN null ELSE 1.0 * crossed / (crossed + stopped) END AS share
ORDER BY coalesce(share, 2.0), stopped DESC, label_a, label_b
