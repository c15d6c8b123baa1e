// Pairs of neighbours of which one fires before the other more often than chance.
// parameter culture: string
// parameter level: float = 0.05   pairs with q up to this are listed; 1 lists all
// column leader: int   label
// column follower: int
// column times: int   how often an event of the leader came before one of the follower
// column lag_s: float   mean
// column back: int   how often it was the other way round, counted in Python
// column p: float   of the pair, against chance
// column q: float   p with false-discovery control over all `pairs`, computed in Python
// column pairs: int   cells in contact that both fire, in both orders: those that are not listed count too
// order leader, follower
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[ma:MEASURED]-(a:Cell)-[:ADJACENT]->(b:Cell)-[mb:MEASURED]->(r)
WHERE ma.events > 0 AND mb.events > 0
WITH r, 2 * count(*) AS pairs
MATCH (r)<-[:MEASURED]-(:Cell)-[:HAS_EVENT]->(e:Event)-[x:PRECEDES]->(f:Event)
WHERE e.run = r.run
RETURN e.label AS leader, f.label AS follower, count(*) AS times, avg(x.lag_s) AS lag_s, min(x.p) AS p, pairs
