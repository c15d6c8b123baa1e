// The map: a picture of labels for the part that is seen, coloured by a table with one colour for each cell.

const view = { labels: null, pixels: null, width: 0, height: 0, left: 0, top: 0, right: 1, bottom: 1, timer: 0 };
const MOST_PIXELS = 1.6e6;

/** Show all of the culture, with the same scale along x and y. */
function fitMap(shownCulture) {
  const plot = model("map"), [left, top, right, bottom] = shownCulture.extent;
  const wide = plot.inner_width || 500, high = plot.inner_height || 500;
  const scale = Math.max((right - left) / wide, (bottom - top) / high);
  const middle = [(left + right) / 2, (top + bottom) / 2], halves = [(scale * wide) / 2, (scale * high) / 2];
  const setRange = (range, start, end) => range.setv({ start, end, reset_start: start, reset_end: end });
  setRange(plot.x_range, middle[0] - halves[0], middle[0] + halves[0]);
  setRange(plot.y_range, middle[1] + halves[1], middle[1] - halves[1]);
  plot.below.concat(plot.left).filter((each) => each.axis_label).forEach((axis) => {
    axis.axis_label = `${axis.axis_label[0]} (${shownCulture.unit})`;
  });
}

/** After a change of size: all of the culture again, or the same part at the same scale where one has zoomed. */
function refitMap(shownCulture) {
  const plot = model("map"), { x_range: across, y_range: down } = plot;
  const zoomed = [across, down].some((range) => range.start !== range.reset_start || range.end !== range.reset_end);
  const part = [across.start, across.end, down.end, down.start], scale = view.scale;
  fitMap(shownCulture);
  if (!zoomed) return;
  const halves = [(scale * plot.inner_width) / 2, (scale * plot.inner_height) / 2];
  const middle = [(part[0] + part[1]) / 2, (part[2] + part[3]) / 2];
  across.setv({ start: middle[0] - halves[0], end: middle[0] + halves[0] });
  down.setv({ start: middle[1] + halves[1], end: middle[1] - halves[1] });
}

/** As high as the culture needs at this width, within the window. */
function sizeMap(shownCulture) {
  const plot = model("map"), [left, top, right, bottom] = shownCulture.extent;
  const around = 145, wide = Math.max(200, $("map-box").clientWidth - 70);
  const wanted = (wide * (bottom - top)) / (right - left) + around;
  plot.height = Math.round(Math.min(Math.max(wanted, 260), Math.max(420, 0.86 * window.innerHeight)));
}

/** Make the picture of labels anew for the part of the plane that is seen: 0 nothing, row + 1, cells + 1 an edge. */
function drawLabels(shownCulture) {
  const plot = model("map"), ratio = window.devicePixelRatio || 1;
  const { start: x0, end: x1 } = plot.x_range, { start: y1, end: y0 } = plot.y_range;
  let width = Math.round((plot.inner_width || 500) * ratio), height = Math.round((plot.inner_height || 500) * ratio);
  const shrink = Math.sqrt(MOST_PIXELS / (width * height));
  if (shrink < 1) [width, height] = [Math.floor(width * shrink), Math.floor(height * shrink)];
  const labels = new Int32Array(width * height), perX = width / (x1 - x0), perY = height / (y1 - y0);
  shownCulture.rings.forEach((rings, row) => fillRings(labels, width, height, rings, row + 1, x0, y0, perX, perY));
  markEdges(labels, width, height, shownCulture.labels.length + 1);
  const source = model("cells"), kind = source.data.image[0].constructor;
  Object.assign(view, { labels, width, height, left: x0, top: y0, right: x1, bottom: y1, scale: (x1 - x0) / plot.inner_width });
  view.pixels = new kind(new Uint32Array(width * height), [height, width]);
  view.columns = { image: [view.pixels], x: [x0], y: [y0], dw: [x1 - x0], dh: [y1 - y0] };
}

/** Fill a cell by rows of pixels: inside is where a ray has crossed its rings an odd number of times. */
function fillRings(labels, width, height, rings, value, x0, y0, perX, perY) {
  const crossings = new Map();
  for (const { xs, ys } of rings) {
    for (let i = 1; i < xs.length; i++) {
      let ax = (xs[i - 1] - x0) * perX, ay = (ys[i - 1] - y0) * perY, bx = (xs[i] - x0) * perX, by = (ys[i] - y0) * perY;
      if (ay > by) [ax, ay, bx, by] = [bx, by, ax, ay];
      const first = Math.max(0, Math.ceil(ay - 0.5)), last = Math.min(height - 1, Math.ceil(by - 0.5) - 1);
      for (let line = first; line <= last; line++) {
        const x = ax + ((line + 0.5 - ay) * (bx - ax)) / (by - ay);
        if (crossings.has(line)) crossings.get(line).push(x);
        else crossings.set(line, [x]);
      }
    }
  }
  for (const [line, across] of crossings) {
    across.sort((a, b) => a - b);
    for (let i = 0; i + 1 < across.length; i += 2) {
      const from = Math.max(0, Math.ceil(across[i] - 0.5)), to = Math.min(width, Math.ceil(across[i + 1] - 0.5));
      if (to > from) labels.fill(value, line * width + from, line * width + to);
    }
  }
}

function markEdges(labels, width, height, edge) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x, here = labels[at];
      if (here === edge) continue;
      const right = x + 1 < width ? labels[at + 1] : here, below = y + 1 < height ? labels[at + width] : here;
      if ((here !== right || here !== below) && here + right + below > 0) labels[at] = edge;
    }
  }
}

const packColour = (hex) => {
  const value = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
};
const palettes = {};
for (const [name, colours] of Object.entries(settings.palettes)) palettes[name] = Uint32Array.from(colours, packColour);

/** Where a value stands among the colours, 0 to 255; -1 for what is not known. */
function colourOf(value, scale) {
  const place = scale.log ? Math.log10(value) : value;
  if (!Number.isFinite(place)) return -1;
  return Math.max(0, Math.min(255, Math.floor((256 * (place - scale.low)) / (scale.high - scale.low))));
}

/** Colour every cell by its value. */
function paintMap(values, scale, dark) {
  const table = new Uint32Array(values.length + 2), palette = palettes[scale.palette];
  const nothing = packColour(dark ? "#3a4650" : "#dfe4e8");
  table[0] = 0;
  table[values.length + 1] = packColour(dark ? "#10161b" : "#ffffff");
  for (let row = 0; row < values.length; row++) {
    const place = colourOf(values[row], scale);
    table[row + 1] = place < 0 ? nothing : palette[place];
  }
  const { pixels, labels } = view;
  for (let i = 0; i < labels.length; i++) pixels[i] = table[labels[i]];
  const source = model("cells");
  if (source.data.image[0] === pixels) source.change.emit();
  else source.data = view.columns;
}

/** The colour bar of a scale. */
function paintBar(scale, title) {
  model("bar-colours").setv({ palette: settings.palettes[scale.palette], low: scale.low, high: scale.high });
  const bar = model("bar");
  bar.major_label_overrides = new Map(scale.ticks);
  bar.ticker.ticks = scale.ticks.map(([place]) => place);
  bar.title = title;
}

/** The row of the cell at a place of the map, -1 for none. */
function cellAt(x, y, shownCulture) {
  const column = Math.floor(((x - view.left) / (view.right - view.left)) * view.width);
  const line = Math.floor(((y - view.top) / (view.bottom - view.top)) * view.height);
  if (!(column >= 0 && column < view.width && line >= 0 && line < view.height)) return -1;
  const edge = shownCulture.labels.length + 1, tries = [0, 1, view.width, -1, -view.width];
  for (const step of tries) {
    const found = view.labels[line * view.width + column + step];
    if (found > 0 && found < edge) return found - 1;
  }
  return -1;
}

/** The chosen cell and its neighbours, as outlines. */
function outlineCells(shownCulture, row) {
  const rings = (rows) => rows.flatMap((each) => shownCulture.rings[each]);
  const columns = (found) => ({ xs: found.map((ring) => ring.xs), ys: found.map((ring) => ring.ys) });
  fill("near", columns(row < 0 ? [] : rings(shownCulture.near[row])));
  fill("chosen", columns(row < 0 ? [] : rings([row])));
}

function drawContacts(shownCulture, wanted) {
  const { x, y, pairs } = shownCulture, ends = { x0: [], y0: [], x1: [], y1: [] };
  for (let i = 0; wanted && i < pairs.length; i += 2) {
    ends.x0.push(x[pairs[i]]); ends.y0.push(y[pairs[i]]);
    ends.x1.push(x[pairs[i + 1]]); ends.y1.push(y[pairs[i + 1]]);
  }
  fill("contacts", ends);
}

/** Arrows from cell to cell of a wave, cut short at both ends, and stars where it may have begun. */
function drawWave(shownCulture, wave) {
  const { x, y } = shownCulture, ends = { x0: [], y0: [], x1: [], y1: [], angle: [] };
  (wave ? wave.from : []).forEach((from, link) => {
    const to = wave.to[link], across = x[to] - x[from], down = y[to] - y[from];
    ends.x0.push(x[from] + 0.2 * across); ends.y0.push(y[from] + 0.2 * down);
    ends.x1.push(x[from] + 0.8 * across); ends.y1.push(y[from] + 0.8 * down);
    ends.angle.push(Math.atan2(-down, across) - Math.PI / 2); // a triangle points upwards
  });
  fill("arrows", ends);
  const starts = wave ? wave.starts : [];
  fill("starts", { x: starts.map((row) => x[row]), y: starts.map((row) => y[row]) });
}

/** Heads of arrows that fit the arrows at this zoom. */
function scaleArrows(wave, shownCulture) {
  if (!wave || !wave.from.length) return;
  const { x, y } = shownCulture;
  const lengths = Array.from(wave.from, (from, link) => Math.hypot(x[wave.to[link]] - x[from], y[wave.to[link]] - y[from]));
  const usual = lengths.sort((a, b) => a - b)[Math.floor(lengths.length / 2)] / view.scale;
  model("arrow-heads").glyph.size = Math.max(3, Math.min(9, 0.17 * usual));
}

/** The nearest cell in a direction, for the arrow keys. */
function cellTowards(shownCulture, row, across, down) {
  const { x, y } = shownCulture;
  let best = row, least = Infinity;
  for (let each = 0; each < x.length; each++) {
    const along = (x[each] - x[row]) * across + (y[each] - y[row]) * down;
    const aside = Math.abs((x[each] - x[row]) * down) + Math.abs((y[each] - y[row]) * across);
    if (each !== row && along > 0 && aside <= along && along + 2 * aside < least) [best, least] = [each, along + 2 * aside];
  }
  return best;
}
