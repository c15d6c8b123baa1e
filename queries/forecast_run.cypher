// How well a culture is forecast, and what its contacts add to that.
// parameter culture: string
// column culture: string
// column skill_1: float   1 frame ahead: 1 - error / error of the best forecast without a model; in the last quarter
// column skill_3: float   3 frames ahead
// column skill_5: float
// column skill_10: float
// column nats: float   gain per event of the forecast of events, over each cell's own rate
// column nats_low: float   its 95 % interval, over cells
// column nats_high: float
// column auroc: float   probability that a frame before an event was told a larger probability than another one
// column within_s: float   seconds within which cells may light up
// column contact_gain: float   share of the error 2 frames ahead that the neighbours' past takes away
// column contact_gain_by_chance: float   the same where cells have exchanged their places
// column contact_p: float
// column contact_nats: float   what the neighbours add to the forecast of events, per event
// column contact_word: string
// column trained_on: list   other cultures that it was learnt from
// column cells: int
// column skill: list   1 to `ahead` frames ahead
// column rival: list   the best forecast without a model, for each
// column held: list   share of the last quarter's values in their 95 % intervals
// column told: list   mean probability of an event in tenths of the last quarter's frames
// column came: list   share of them that an event followed
// column settings: string   JSON
// column facts: string   JSON
// column advice: list
// column stale: string   why it no longer goes with the culture's masks; null where it does
// column created: string
// column version: string
// column found: string   all this as a sentence, made in Python
// shown culture, found
MATCH (k:Culture {uid: $culture, complete: true})<-[:OF]-(r:ForecastRun)
RETURN k.uid AS culture, r.skill AS skill, r.rival AS rival, r.held AS held, r.nats AS nats, r.nats_low AS nats_low,
       r.nats_high AS nats_high, r.auroc AS auroc, r.within_s AS within_s, r.contact_gain AS contact_gain,
       r.contact_gain_by_chance AS contact_gain_by_chance, r.contact_p AS contact_p, r.contact_nats AS contact_nats,
       r.contact_word AS contact_word, r.trained_on AS trained_on, r.cells AS cells, r.told AS told, r.came AS came,
       r.settings AS settings,
       r.facts AS facts, r.advice AS advice, r.stale AS stale, r.created AS created, r.version AS version
