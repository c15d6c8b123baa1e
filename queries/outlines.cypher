// The outlines of a culture's cells as WKT polygons: pixel corners at integers, y down; null for cultures from traces.
// parameter culture: string
// column label: int   the mask's own integer
// column border: bool
// column polygon: string
// order label
MATCH (c:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(k:Cell)
RETURN k.label AS label, k.border AS border, k.polygon AS polygon
