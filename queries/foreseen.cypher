// What `compare` reads of forecasts: one row for each of several cultures that was forecast.
// parameter cultures: list
// parameter stale: bool = false   forecasts of masks that were mended since, too
// column culture: string
// column intensity_gain: float
// column frames: int
// column frame_interval_s: float
// column trained_on: list   other cultures that it was learnt from
// column skill: list   1 to `ahead` frames ahead; null where it cannot be told
// column contact_gain: float
// column contact_gain_by_chance: float
// order culture
MATCH (c:Culture {complete: true})<-[:OF]-(r:ForecastRun)
WHERE c.uid IN $cultures AND ($stale OR r.stale IS NULL)
RETURN c.uid AS culture, c.intensity_gain AS intensity_gain, c.frames AS frames, c.frame_interval_s AS frame_interval_s,
       r.trained_on AS trained_on, r.skill AS skill, r.contact_gain AS contact_gain,
       r.contact_gain_by_chance AS contact_gain_by_chance
