// The dF/F of a culture: one row per frame, one column per cell; F0 is the light at the running baseline.
// parameter culture: string
// column label: int   becomes the column's name, in decimal
// column dff: list   one value per frame, becomes the column; null where F0 is not positive
// column time_s: list   null where the frames are evenly spaced
// column frame_interval_s: float   becomes time_s = frame x interval, beside frame from 0
// order label
MATCH (k:Culture {uid: $culture, complete: true})<-[:OF]-(r:EventRun {complete: true})
MATCH (r)<-[m:MEASURED]-(c:Cell)
RETURN c.label AS label, m.dff AS dff, k.frame_interval_s AS frame_interval_s, k.time_s AS time_s
