// Cells without any event.
// parameter culture: string
// column label: int
// column uid: string
// column x_px: float
// column y_px: float
// column border: bool
// column noise: float   deviation of one frame's noise: small events may hide in a noisy trace
// column culture_noise: float   mean of the culture's cells
// order label
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[m:MEASURED]-(:Cell)
WITH r, avg(m.noise) AS culture_noise
MATCH (r)<-[m:MEASURED]-(c:Cell)
WHERE m.events = 0
RETURN c.label AS label, c.uid AS uid, c.x_px AS x_px, c.y_px AS y_px, c.border AS border, m.noise AS noise,
       culture_noise
