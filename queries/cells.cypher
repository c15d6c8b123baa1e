// The cells of a culture: place, size, number of contacts, and every fitted <model>_<parameter>.
// parameter culture: string
// column uid: string   <culture>:<label>
// column culture: string   the culture's uid
// column label: int   the mask's own integer
// column area_px: float
// column x_px: float   column of the centroid
// column y_px: float   row of the centroid
// column border: bool
// column neighbours: int   how many cells it touches
// column fitted: map   becomes a column for each <model>_<parameter> that a cell of the culture has
// order label
MATCH (c:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(k:Cell)
RETURN k.uid AS uid, c.uid AS culture, k.label AS label, k.area_px AS area_px, k.x_px AS x_px, k.y_px AS y_px,
       k.border AS border, COUNT { (k)-[:ADJACENT]-(:Cell) } AS neighbours,
       k {.*, intensity: null, polygon: null} AS fitted
