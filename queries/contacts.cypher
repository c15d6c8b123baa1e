// The pairs of cells that touch, each pair once.
// parameter culture: string
// column culture: string   the culture's uid
// column label_a: int   the smaller label
// column label_b: int   the larger label
// column shared_border_px: float   null where the recording has no masks
// column centroid_distance_px: float
// order label_a, label_b
MATCH (c:Culture {uid: $culture, complete: true})-[:HAS_CELL]->(a:Cell)-[x:ADJACENT]-(b:Cell)
WHERE a.label < b.label
RETURN c.uid AS culture, a.label AS label_a, b.label AS label_b, x.shared_border_px AS shared_border_px,
       x.centroid_distance_px AS centroid_distance_px
