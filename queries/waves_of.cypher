// What `compare` reads of waves: those of several cultures in their complete runs; flashes are left out.
// parameter cultures: list
// column culture: string
// column number: int
// column speed_px_s: float   null where no speed can be told
// order culture, number
MATCH (c:Culture {complete: true})<-[:OF]-(r:EventRun {complete: true})<-[:OF]-(w:Wave {kind: 'wave'})
WHERE c.uid IN $cultures
RETURN c.uid AS culture, w.number AS number, w.speed_px_s AS speed_px_s
