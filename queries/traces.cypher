// The traces of a culture: one row per frame, one column per cell, in the normalised units of eq. 23.
// parameter culture: string
// column label: int   becomes the column's name, in decimal
// column intensity: list   one value per frame, becomes the column
// column time_s: list   null where the frames are evenly spaced
// column frame_interval_s: float   becomes time_s = frame x interval, beside frame from 0
// order label
MATCH (c:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(k:Cell)
RETURN k.label AS label, k.intensity AS intensity, c.frame_interval_s AS frame_interval_s, c.time_s AS time_s
