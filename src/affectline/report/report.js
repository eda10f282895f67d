const byId = (id) => document.getElementById(id);
const timeline = JSON.parse(byId("data").textContent);
const colours = JSON.parse(byId("colours").textContent);
const entries = timeline.utterances;
const timed = entries.some((u) => u.start !== null);
const names = new Map(timeline.speakers.map((s) => [s.id, s.name || s.id]));
const media = byId("media");

// Where an utterance lies: seconds, or its place in the order where the conversation has no times.
const from = (u) => (timed ? u.start : entries.indexOf(u));
const to = (u) => (timed ? u.end : entries.indexOf(u) + 0.86);
const drawn = entries.filter((u) => !timed || u.start !== null).sort((a, b) => from(a) - from(b));
const whole = Math.max(timed ? timeline.duration || 0 : 0, 1e-3, ...drawn.map(to));

const PAD = 10, VALENCE = 40;
const LANE = PAD + BAR + THIN * THINS + 6 + VALENCE + PAD;
let scale = 1; // pixels a second (or an utterance)
let chosen = null;

const when = (u) => (u.start === null ? `no. ${entries.indexOf(u) + 1}` : `${clock(u.start)}–${clock(u.end)}`);
const answer = (u) =>
  u.abstained ? "abstained" : u.emotions.map((e) => `${e} ${score(u.scores[e])}`).join(", ") || "none";

function drawLane(plot, speaker, lane, sheet) {
  const top = AXIS + lane * LANE, zero = top + LANE - PAD - VALENCE / 2, width = whole * scale;
  svg("line", { x1: 0, x2: width, y1: top, y2: top, class: "grid" }, plot);
  svg("line", { x1: 0, x2: width, y1: zero, y2: zero, class: "zero" }, plot);
  const mine = drawn.filter((u) => u.speaker === speaker.id);
  const points = [];
  for (const u of mine) {
    const group = svg("g", { class: "u", "data-n": entries.indexOf(u) }, plot);
    const place = { x: from(u) * scale, y: top + PAD, width: Math.max(1.5, (to(u) - from(u)) * scale - 1) };
    drawBar(group, u, place, colours, sheet);
    if (u.abstained) continue;
    const height = Math.abs(u.valence) * (VALENCE / 2), x = from(u) * scale;
    const bar = { x, width: Math.max(1, (to(u) - from(u)) * scale - 1), height: Math.max(0.75, height) };
    svg("rect", { ...bar, y: u.valence > 0 ? zero - height : zero, class: u.valence > 0 ? "up" : "down" }, group);
    points.push(`${(x + bar.width / 2).toFixed(1)},${(zero - u.valence * (VALENCE / 2)).toFixed(1)}`);
  }
  svg("polyline", { points: points.join(" "), class: "curve", "pointer-events": "none" }, plot);
}

function draw() {
  const plot = byId("plot"), width = Math.max(1, whole * scale);
  plot.replaceChildren();
  plot.setAttribute("width", width);
  plot.setAttribute("height", AXIS + timeline.speakers.length * LANE);
  drawHatch(plot);
  drawAxis(plot, { whole, scale, timed, bottom: AXIS + timeline.speakers.length * LANE });
  const sheet = paper();
  timeline.speakers.forEach((speaker, lane) => drawLane(plot, speaker, lane, sheet));
  if (media) svg("line", { id: "now", class: "now", y1: AXIS - 8, y2: AXIS + timeline.speakers.length * LANE }, plot);
  drawOverview();
  mark();
  follow();
}

function drawNames() {
  const box = byId("names");
  make("div", {}, box).style.height = `${AXIS}px`;
  for (const speaker of timeline.speakers) {
    const name = make("div", {}, box);
    name.style.height = `${LANE}px`;
    make("strong", { dir: "auto", title: names.get(speaker.id) }, name, names.get(speaker.id));
    const zero = LANE - PAD - VALENCE / 2;
    for (const [text, y] of [["+1", zero - VALENCE / 2], ["0", zero], ["−1", zero + VALENCE / 2]])
      make("span", {}, name, text).style.top = `${y - 6}px`;
    const what = make("span", { class: "what" }, name, "valence");
    what.style.top = `${zero - 6}px`;
  }
}

// The overview: all of the conversation in one strip, with a frame around what the lanes show.
function drawOverview() {
  const strip = byId("overview"), shown = byId("scroll").clientWidth, each = shown / whole;
  const needed = whole * scale > shown + 1;
  strip.style.display = needed ? "" : "none";
  if (!needed) return;
  const row = Math.max(4, Math.min(10, 40 / timeline.speakers.length)), lanes = timeline.speakers.map((s) => s.id);
  strip.replaceChildren();
  strip.setAttribute("viewBox", `0 0 ${shown} ${row * lanes.length + 4}`);
  strip.setAttribute("preserveAspectRatio", "none");
  strip.style.height = `${row * lanes.length + 4}px`;
  for (const u of drawn) {
    const first = u.abstained ? undefined : u.emotions[0], y = 2 + row * lanes.indexOf(u.speaker);
    const place = { x: from(u) * each, y, width: Math.max(1, (to(u) - from(u)) * each), height: row - 1 };
    svg("rect", { ...place, fill: first ? colours[first] : "none", stroke: first ? "none" : "#8b929c" }, strip);
  }
  const frame = { id: "frame", y: 1, height: row * lanes.length + 2, fill: "currentColor", "fill-opacity": 0.12 };
  svg("rect", { ...frame, stroke: "currentColor", "stroke-width": 1.5 }, strip);
  moveFrame();
}

function moveFrame() {
  const frame = byId("frame"), scroll = byId("scroll");
  if (!frame) return;
  const shown = scroll.clientWidth, ratio = shown / (whole * scale);
  frame.setAttribute("x", scroll.scrollLeft * ratio);
  frame.setAttribute("width", Math.max(4, shown * ratio));
}

// Zoom keeps the middle where it is.
const fitting = () => Math.max(1e-6, (byId("scroll").clientWidth - 1) / whole);
function zoom(wanted) {
  const scroll = byId("scroll"), middle = (scroll.scrollLeft + scroll.clientWidth / 2) / scale;
  const most = Math.min(timed ? 400 : 300, 400000 / whole);
  scale = Math.max(fitting(), Math.min(most, wanted));
  draw();
  scroll.scrollLeft = middle * scale - scroll.clientWidth / 2;
}
function start() {
  const typical = drawn.map((u) => to(u) - from(u)).sort((a, b) => a - b)[Math.floor(drawn.length / 2)] || 1;
  scale = Math.max(fitting(), Math.min(40 / typical, 80 * fitting()));
  draw();
}

// Choosing an utterance: everything that shows it follows.
function mark() {
  for (const node of document.querySelectorAll(".u.chosen, tr.chosen")) node.classList.remove("chosen");
  if (!chosen) return;
  const n = entries.indexOf(chosen);
  for (const node of document.querySelectorAll(`.u[data-n="${n}"], tr[data-n="${n}"]`)) node.classList.add("chosen");
}

function choose(u, { seek = true } = {}) {
  chosen = u;
  mark();
  detail(u);
  const scroll = byId("scroll"), row = document.querySelector(`tr[data-n="${entries.indexOf(u)}"]`);
  if (drawn.includes(u)) {
    const left = from(u) * scale, right = to(u) * scale;
    if (left < scroll.scrollLeft || right > scroll.scrollLeft + scroll.clientWidth)
      scroll.scrollLeft = (left + right - scroll.clientWidth) / 2;
  }
  const table = row.closest(".table"), head = table.querySelector("thead").offsetHeight;
  if (row.offsetTop < table.scrollTop + head) table.scrollTop = row.offsetTop - head;
  const hidden = row.offsetTop + row.offsetHeight - table.scrollTop - table.clientHeight;
  if (hidden > 0) table.scrollTop += hidden;
  if (seek && media && u.start !== null) media.currentTime = u.start;
}

function step(by) {
  if (!drawn.length) return;
  const at = drawn.indexOf(chosen);
  choose(drawn[at < 0 ? 0 : Math.max(0, Math.min(drawn.length - 1, at + by))]);
}

function chips(parent, u) {
  const shown = u.abstained ? [] : u.emotions;
  for (const emotion of shown)
    make("span", { class: `chip e${timeline.labels.indexOf(emotion)}` }, parent, `${emotion} ${score(u.scores[emotion])}`);
  if (u.abstained) make("span", { class: "chip abstained" }, parent, "abstained: too little to go by");
  else if (!shown.length) make("span", { class: "chip none" }, parent, "none holds");
}

function detail(u) {
  const box = byId("detail");
  box.replaceChildren();
  const head = make("div", { class: "head" }, box);
  make("h2", { id: "detail-title", dir: "auto" }, head, names.get(u.speaker));
  const tools = make("div", { class: "tools" }, head);
  for (const [text, label, by] of [["←", "Previous utterance", -1], ["→", "Next utterance", 1]])
    make("button", { type: "button", "aria-label": label }, tools, text).onclick = () => step(by);
  if (media && u.start !== null)
    make("button", { type: "button" }, tools, "Play").onclick = () => play(u);
  make("p", { class: "when" }, box, `${u.id} · ${when(u)}`);
  if (u.text === null) make("p", { class: "quiet" }, box, "No words.");
  else make("blockquote", { dir: "auto" }, box, u.text);
  chips(make("p", { class: "answer" }, box), u);
  scores(box, u);
  facts(box, u);
}

function scores(box, u) {
  const modalities = u.modalities.filter((m) => u.by_modality[m]);
  const table = make("table", {}, box), head = make("tr", {}, make("thead", {}, table)), body = make("tbody", {}, table);
  make("th", { scope: "col" }, head, "emotion");
  make("th", { scope: "col" }, head, Object.keys(timeline.thresholds).length ? "score, threshold |" : "score");
  for (const name of ["all", ...modalities]) make("th", { scope: "col", class: "number" }, head, name);
  const order = Object.keys(u.scores).sort((a, b) => u.scores[b] - u.scores[a]);
  for (const name of order) {
    const row = make("tr", { class: u.emotions.includes(name) && !u.abstained ? "holds" : "" }, body);
    make("th", { scope: "row" }, row, name);
    const bar = make("div", {}, make("td", { class: "score" }, row));
    make("i", { class: `e${timeline.labels.indexOf(name)}` }, bar).style.width = `${100 * u.scores[name]}%`;
    const threshold = timeline.thresholds[name];
    if (threshold !== undefined)
      make("u", { title: `holds from ${score(threshold)} on` }, bar).style.left = `calc(${100 * threshold}% - 1px)`;
    make("td", { class: "number" }, row, score(u.scores[name]));
    for (const m of modalities) make("td", { class: "number" }, row, score(u.by_modality[m][name]));
  }
}

function facts(box, u) {
  const list = make("dl", {}, box);
  const fact = (term, value, kind = "") => {
    make("dt", {}, list, term);
    make("dd", { class: kind, dir: "auto" }, list, value);
  };
  fact("Uncertainty", `${score(u.uncertainty)} bit of 1`);
  fact("Valence", `${score(u.valence)} (−1 to +1)`);
  const unused = ["text", "audio", "video"].filter((m) => !u.modalities.includes(m));
  fact("Used", (u.modalities.join(", ") || "nothing") + (unused.length ? `; not there: ${unused.join(", ")}` : ""));
  fact("Words", { given: "given", recognised: "recognised from the sound", none: "none" }[u.text_source] || u.text_source);
  if (u.face) fact("Face", u.face.track + (u.face.match === null ? "" : `, fits the voice ${score(u.face.match)}`));
  for (const warning of u.warnings) fact("Warning", warning, "said");
}

// The recording, where it lies beside the report.
let until = null;
function play(u) {
  media.currentTime = u.start;
  until = u.end;
  media.play();
}
function follow() {
  const line = byId("now");
  if (!line) return;
  line.setAttribute("x1", media.currentTime * scale);
  line.setAttribute("x2", media.currentTime * scale);
  if (until !== null && media.currentTime >= until) {
    until = null;
    media.pause();
  }
  if (media.paused) return;
  const now = drawn.filter((u) => u.start <= media.currentTime && media.currentTime < u.end).pop();
  if (now && now !== chosen) choose(now, { seek: false });
}

function showTip(event) {
  const group = event.target.closest(".u"), tip = byId("tip");
  tip.hidden = !group;
  if (!group) return;
  const u = entries[group.dataset.n];
  tip.replaceChildren();
  make("b", {}, tip, `${names.get(u.speaker)} · ${when(u)}`);
  make("div", {}, tip, `${answer(u)} · uncertainty ${score(u.uncertainty)} · valence ${score(u.valence)}`);
  const text = u.text || "";
  if (text) make("div", { dir: "auto" }, tip, text.length > 160 ? `${text.slice(0, 159)}…` : text);
  const { offsetWidth: width, offsetHeight: height } = tip;
  tip.style.left = `${Math.max(8, Math.min(innerWidth - width - 8, event.clientX + 14))}px`;
  tip.style.top = `${event.clientY + height + 24 > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
}

// The table: sorted by a click on a column's head, filtered by speaker, emotion and words.
const rows = [...document.querySelectorAll("#table tbody tr")];
function filter() {
  const speaker = byId("by-speaker").value, emotion = byId("by-emotion").value;
  const words = byId("by-text").value.toLowerCase().trim();
  let count = 0;
  for (const row of rows) {
    const u = entries[row.dataset.n], held = u.abstained ? ["abstained"] : u.emotions.length ? u.emotions : ["none"];
    const fits = (!speaker || u.speaker === speaker) && (!emotion || held.includes(emotion));
    row.hidden = !(fits && (u.text || "").toLowerCase().includes(words));
    count += !row.hidden;
  }
  byId("count").textContent = count === rows.length ? `${count}` : `${count} of ${rows.length}`;
}
function sort(head) {
  const column = head.cellIndex, again = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", again ? "descending" : "ascending");
  const key = [
    (u) => (timed ? u.start ?? Infinity : entries.indexOf(u)), (u) => names.get(u.speaker), (u) => answer(u),
    (u) => u.valence, (u) => u.uncertainty, (u) => u.text || "",
  ][column];
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a < b ? -1 : a > b ? 1 : 0);
  const keys = new Map(rows.map((row) => [row, key(entries[row.dataset.n])]));
  rows.sort((a, b) => (again ? -1 : 1) * compare(keys.get(a), keys.get(b)) || a.dataset.n - b.dataset.n);
  byId("table").tBodies[0].append(...rows);
}

for (const id of ["by-speaker", "by-emotion", "by-text"]) byId(id).addEventListener("input", filter);
for (const button of document.querySelectorAll("#table thead button")) button.onclick = () => sort(button.parentNode);
byId("table").tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) choose(entries[row.dataset.n]);
});
byId("plot").addEventListener("click", (event) => {
  const group = event.target.closest(".u");
  if (group) choose(entries[group.dataset.n]);
});
byId("plot").addEventListener("pointermove", showTip);
byId("plot").addEventListener("pointerleave", () => (byId("tip").hidden = true));
byId("scroll").addEventListener("scroll", () => {
  byId("tip").hidden = true;
  moveFrame();
});
byId("scroll").addEventListener("keydown", (event) => {
  const act = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => drawn.length && choose(drawn[0]),
    End: () => drawn.length && choose(drawn[drawn.length - 1]), "+": () => zoom(scale * 1.5), "-": () => zoom(scale / 1.5),
  }[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});
byId("scroll").addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoom(scale * (event.deltaY < 0 ? 1.25 : 0.8));
}, { passive: false });
byId("overview").addEventListener("pointerdown", (event) => event.target.setPointerCapture(event.pointerId));
for (const kind of ["pointerdown", "pointermove"])
  byId("overview").addEventListener(kind, (event) => {
    if (!event.buttons) return;
    const strip = byId("overview").getBoundingClientRect(), scroll = byId("scroll");
    const share = (event.clientX - strip.left) / strip.width;
    scroll.scrollLeft = share * whole * scale - scroll.clientWidth / 2;
  });
byId("zoom-in").onclick = () => zoom(scale * 1.6);
byId("zoom-out").onclick = () => zoom(scale / 1.6);
byId("zoom-fit").onclick = () => zoom(fitting());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", () => zoom(scale));
if (media) {
  media.addEventListener("timeupdate", follow);
  media.addEventListener("seeked", follow);
  media.addEventListener("error", () => {
    media.hidden = true;
    byId("unplayable").hidden = false;
  });
}

const untimed = entries.length - drawn.length;
if (untimed) {
  byId("untimed").hidden = false;
  byId("untimed").textContent = `${untimed} without times are in the table only.`;
}
drawNames();
start();
filter();
if (drawn.length) choose(drawn.find((u) => u.emotions.length) || drawn[0], { seek: false });
