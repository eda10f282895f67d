"use strict";
// What draws utterances, for the report and for the page alike: no state, and no request.
const AXIS = 26, BAR = 26, THIN = 5, THINS = 3;

function svg(tag, attributes, parent, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function make(tag, attributes, parent, text) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, all = Math.round(seconds * unit), whole = Math.floor(all / unit);
  const two = (n) => String(n).padStart(2, "0"), minutes = Math.floor(whole / 60);
  const head = minutes >= 60 ? `${Math.floor(minutes / 60)}:${two(minutes % 60)}` : `${minutes}`;
  return `${head}:${two(whole % 60)}` + (digits ? `.${String(all % unit).padStart(digits, "0")}` : "");
}

const score = (value) => (value === undefined || value === null ? "–" : value.toFixed(2).replace("-", "−"));

// Colours: the fill pales with uncertainty; a label on it is black or white, whichever reads better.
function rgb(colour) {
  const n = parseInt(colour.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

const paper = () => rgb(getComputedStyle(document.body).getPropertyValue("--sheet").trim());
function paled(colour, uncertainty, sheet) {
  const share = 1 - 0.72 * Math.min(1, uncertainty);
  return rgb(colour).map((c, i) => Math.round(c * share + sheet[i] * (1 - share)));
}

function readable(fill) {
  const [r, g, b] = fill.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

// An utterance in a lane: the strongest emotion in its colour, further ones as thin bars beneath.
function drawBar(group, u, { x, y, width }, colours, sheet) {
  const [strongest, ...others] = u.abstained ? [] : u.emotions;
  const box = svg("rect", { x, y, width, height: BAR, rx: Math.min(3, width / 3), class: "box" }, group);
  if (!strongest) {
    box.classList.add("blank");
    if (u.abstained) svg("rect", { x, y, width, height: BAR, fill: "url(#hatch)", "pointer-events": "none" }, group);
    return;
  }
  const fill = paled(colours[strongest], u.uncertainty, sheet);
  box.setAttribute("fill", `rgb(${fill})`);
  box.setAttribute("stroke", colours[strongest]);
  const word = width > 7 * strongest.length + 10 ? strongest : width > 28 ? strongest.slice(0, 3) : "";
  if (word) {
    const label = svg("text", { x: x + width / 2, y: y + BAR / 2 + 4, "text-anchor": "middle" }, group, word);
    label.setAttribute("style", `fill:${readable(fill)};pointer-events:none`);
  }
  others.slice(0, THINS).forEach((emotion, n) => {
    const place = { x, y: y + BAR + 2 + n * THIN, width, height: THIN - 1.5, fill: colours[emotion] };
    svg("rect", place, group);
  });
}

// What an utterance without an answer is filled with.
function drawHatch(plot) {
  const hatch = { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  const pattern = svg("pattern", hatch, svg("defs", {}, plot));
  svg("line", { x1: 0, x2: 0, y1: 0, y2: 6, class: "hatch" }, pattern);
}

// Lines and times over the lanes, as far apart as can be read.
function drawAxis(plot, { whole, scale, bottom, timed }) {
  const steps = timed ? [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800] : [1, 2, 5, 10, 20, 50, 100, 200];
  const step = steps.find((s) => s * scale >= 64) || 3600;
  for (let at = 0; at < whole; at += step) {
    const x = at * scale;
    svg("line", { x1: x, x2: x, y1: AXIS - 6, y2: bottom, class: "grid" }, plot);
    svg("text", { x: x + 4, y: AXIS - 9 }, plot, timed ? clock(at, step < 1 ? 1 : 0) : String(at + 1));
  }
}
