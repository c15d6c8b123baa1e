// The waves and flashes of a culture, by their beginning.
// parameter culture: string
// column culture: string
// column wave: int   its number, which `query wave` takes
// column kind: string   wave, or flash: many cells at once
// column onset_s: float
// column duration_s: float
// column cells: int
// column events: int
// column starts: list   labels of the cells that may have begun it
// column speed_um_s: float   null where the pixel size is unknown; _low and _high: its 95 % interval
// column speed_low_um_s: float
// column speed_high_um_s: float
// column speed_px_s: float
// column speed_low_px_s: float
// column speed_high_px_s: float
// column direction_deg: float   of a plane front: 0 to the right, 90 down
// column radial: bool   whether it runs in all directions
// column origin_x_px: float
// column origin_y_px: float
// column p: float   against chance
// column q: float   p with false-discovery control over the culture's waves
// order wave
// shown wave, kind, onset_s, cells, starts, speed_um_s, speed_px_s, direction_deg, q
MATCH (:Culture {uid: $culture, complete: true})<-[:OF]-(:EventRun {complete: true})<-[:OF]-(w:Wave)
RETURN w.culture AS culture, w.number AS wave, w.kind AS kind, w.onset_s AS onset_s, w.duration_s AS duration_s,
       w.cells AS cells, w.events AS events, [(w)-[:STARTED_AT]->(c:Cell) | c.label] AS starts,
       w.speed_um_s AS speed_um_s, w.speed_low_um_s AS speed_low_um_s, w.speed_high_um_s AS speed_high_um_s,
       w.speed_px_s AS speed_px_s, w.speed_low_px_s AS speed_low_px_s, w.speed_high_px_s AS speed_high_px_s,
       w.direction_deg AS direction_deg, w.radial AS radial, w.origin_x_px AS origin_x_px, w.origin_y_px AS origin_y_px,
       w.p AS p, w.q AS q
