"use strict";
// The cultures of this page, decoded when they are first shown (report/payload.py writes them).

const TYPES = {
  u1: Uint8Array, u2: Uint16Array, i2: Int16Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};
const settings = JSON.parse(document.getElementById("settings").textContent);
const $ = (id) => document.getElementById(id);

function unpack(packed) {
  const text = atob(packed.data), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new TYPES[packed.type](bytes.buffer);
}

/** Traces as whole numbers: value = low + step * number; the largest number stands for "not known". */
class Traces {
  constructor(packed, cells) {
    this.numbers = unpack(packed.numbers);
    this.low = unpack(packed.low);
    this.step = unpack(packed.step);
    this.unknown = packed.numbers.type === "u1" ? 255 : 65535;
    this.frames = this.numbers.length / this.low.length;
    this.at = new Int32Array(cells).fill(-1); // the place of each cell's trace
    if (packed.rows) unpack(packed.rows).forEach((row, place) => { this.at[row] = place; });
    else this.at.forEach((_, row) => { this.at[row] = row; });
  }
  value(row, frame) {
    const place = this.at[row], number = this.numbers[place * this.frames + frame];
    return place < 0 || number === this.unknown ? NaN : this.low[place] + this.step[place] * number;
  }
  trace(row) {
    return this.at[row] < 0 ? null : Float64Array.from({ length: this.frames }, (_, frame) => this.value(row, frame));
  }
}

const decoded = new Map();

/** A culture of the page; its arrays are typed arrays. */
function culture(place) {
  if (!decoded.has(place)) decoded.set(place, decode(JSON.parse($(`payload-${place}`).textContent)));
  return decoded.get(place);
}

function decode(found) {
  for (const name of ["labels", "x", "y", "border", "pairs", "shared", "times"]) found[name] = unpack(found[name]);
  for (const name of Object.keys(found.outlines)) found.outlines[name] = unpack(found.outlines[name]);
  const cells = found.labels.length;
  found.observed = new Traces(found.observed, cells);
  for (const key of Object.keys(found.lines)) found.lines[key] = new Traces(found.lines[key], cells);
  found.byKey = {};
  for (const each of found.quantities) {
    for (const name of ["values", "low", "high"]) if (each[name]) each[name] = unpack(each[name]);
    found.byKey[each.key] = each;
  }
  if (found.events) for (const name of Object.keys(found.events)) found.events[name] = unpack(found.events[name]);
  for (const wave of found.waves) for (const name of ["since", "from", "to"]) wave[name] = unpack(wave[name]);
  found.near = Array.from({ length: cells }, () => []);
  for (let i = 0; i < found.pairs.length; i += 2) {
    found.near[found.pairs[i]].push(found.pairs[i + 1]);
    found.near[found.pairs[i + 1]].push(found.pairs[i]);
  }
  found.ofLabel = new Map(Array.from(found.labels, (label, row) => [label, row]));
  found.rings = ringsOf(found);
  return found;
}

/** By cell, its rings as {xs, ys} on the axes of the map. */
function ringsOf(found) {
  const { x, y, lengths, cell } = found.outlines, rings = Array.from({ length: found.labels.length }, () => []);
  let at = 0;
  lengths.forEach((length, ring) => {
    const xs = Float64Array.from(x.subarray(at, at + length), (value) => value * found.step);
    const ys = Float64Array.from(y.subarray(at, at + length), (value) => value * found.step);
    rings[cell[ring]].push({ xs, ys });
    at += length;
  });
  return rings;
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A number with so many digits; what is not known is a dash. */
function shown(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
    const [factor, power] = value.toExponential(digits - 1).split("e");
    const raised = String(Number(power)).replace(/./g, (each) => RAISED[each]);
    return `${factor.replace("-", "−")}×10${raised}`;
  }
  const text = Number.isInteger(value) ? String(value) : value.toPrecision(Math.abs(value) >= 100 ? digits + 2 : digits);
  return text.replace("-", "−");
}

/** A number of an axis, without zeros at its end. */
function tickText(value) {
  if (value !== 0 && Math.abs(value) < 1e-3) return shown(value, 6).replace(/(\.\d*?)0*×/, "$1×").replace(".×", "×");
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

function interval(quantity, row) {
  if (!quantity.low || !Number.isFinite(quantity.low[row]) || !Number.isFinite(quantity.high[row])) return "";
  return `${shown(quantity.low[row])} to ${shown(quantity.high[row])}`;
}

/** An element with text and children; texts are never read as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A Bokeh model of this page by its name, in whichever document it is. */
function model(name) {
  for (const each of Bokeh.documents) {
    const found = each.get_model_by_name(name);
    if (found) return found;
  }
  return null;
}

/** Put columns into a source of Bokeh. */
function fill(name, columns) { model(name).data = columns; }
