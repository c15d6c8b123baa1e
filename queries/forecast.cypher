// How well each cell is forecast, and what is expected of it.
// parameter culture: string
// column label: int
// column uid: string
// column skill_1: float   1 frame ahead: 1 - error / error of the best forecast without a model; in the last quarter
// column skill_3: float   3 frames ahead
// column skill_5: float
// column skill_10: float
// column nats: float   gain per event of the forecast of events, over the cell's own rate
// column probability: float   that it lights up within the run's within_s after the last frame; null where it is lit
// column noise_ratio: float   deviation of a frame's noise over that of the trace
// column skill: list   1 to `ahead` frames ahead
// column expected: list   the trace after the last frame, in the units of the traces
// column expected_low: list   its 95 % interval
// column expected_high: list
// order label
// shown label, skill_1, skill_3, skill_5, skill_10, nats, probability
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(r:ForecastRun)
MATCH (c:Cell)-[f:FORECAST]->(r)
RETURN c.label AS label, c.uid AS uid, f.skill AS skill, f.nats AS nats, f.probability AS probability,
       f.noise_ratio AS noise_ratio, f.expected AS expected, f.expected_low AS expected_low,
       f.expected_high AS expected_high
