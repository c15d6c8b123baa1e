// The cells that are most likely to light up after the last frame.
// parameter culture: string
// parameter cells: int = 10   how many
// column label: int
// column uid: string
// column probability: float   that it lights up within within_s
// column within_s: float
// column at_s: float   time of the last frame
// column x_px: float
// column y_px: float
MATCH (k:Culture {uid: $culture, complete: true})<-[:OF]-(r:ForecastRun)
MATCH (c:Cell)-[f:FORECAST]->(r)
WHERE f.probability IS NOT NULL
RETURN c.label AS label, c.uid AS uid, f.probability AS probability, r.within_s AS within_s,
       coalesce(last(k.time_s), (k.frames - 1) * k.frame_interval_s) AS at_s, c.x_px AS x_px, c.y_px AS y_px
ORDER BY probability DESC, label
LIMIT $cells
