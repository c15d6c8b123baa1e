// What the models read: each cell with its trace and its contacts with cells of larger label.
// parameter culture: string
// column culture: string
// column label: int
// column x_px: float
// column y_px: float
// column area_px: float
// column open_px: float   outline beside a place where a cell may have been missed, null where it was not measured
// column border: bool
// column intensity: list   normalised (eq. 23), one value per frame
// column frame_interval_s: float
// column time_s: list   one value per frame, null where the frames are evenly spaced
// column intensity_gain: float
// column intensity_offset: float   null where traces are stored as given
// column doubts: list   what speaks against the contacts, null for nothing
// column light: string   light that is not the cells' own, JSON, null where it was not measured
// column contacts: list   [label, shared_border_px or null, centroid_distance_px] of each contact
// order label
MATCH (c:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(k:Cell)
RETURN c.uid AS culture, k.label AS label, k.x_px AS x_px, k.y_px AS y_px, k.area_px AS area_px,
       k.open_px AS open_px,
       k.border AS border, k.intensity AS intensity, c.frame_interval_s AS frame_interval_s,
       c.time_s AS time_s,
       c.intensity_gain AS intensity_gain,
       CASE WHEN c.movie IS NULL THEN null ELSE c.intensity_offset END AS intensity_offset, c.doubts AS doubts, c.light AS light,
       [(k)-[x:ADJACENT]-(n:Cell) WHERE n.label > k.label
        | [n.label, x.shared_border_px, x.centroid_distance_px]] AS contacts
