// The page of one analysis: what is seen and heard, who speaks when, and what was judged of it.
// It draws a timeline that it fetches; what a person asks or corrects is told to the server's page.
import { AXIS, BAR, THIN, THINS, clock, drawAxis, drawBar, drawHatch, make, paper, score, svg } from "/static/drawing.js";
import { following } from "/static/follow.js";

const PAD = 8, LANE = PAD + BAR + THIN * THINS + PAD, CURVES = 132, SEEK = 2;
const none = (u) => (u.abstained ? ["abstained"] : u.emotions.length ? u.emotions : ["none"]);

export default {
  template: `
  <div class="talk">
    <div class="main">
      <section class="chart" aria-label="Timeline">
        <div class="bar">
          <h2>Timeline</h2>
          <div class="tools" role="group" aria-label="Zoom">
            <button type="button" aria-label="Zoom out" @click="zoom(1 / 1.6)">−</button>
            <button type="button" aria-label="Zoom in" @click="zoom(1.6)">+</button>
            <button type="button" @click="fit">All of it</button>
          </div>
        </div>
        <ul class="people" aria-label="Speakers; a press follows one">
          <li v-for="p in people" :key="p.id">
            <button type="button" :aria-pressed="String(speaker === p.id)" @click="followed(p.id)">
              <canvas hidden :data-speaker="p.id" aria-hidden="true"></canvas>
              <span><strong dir="auto">{{ p.name }}</strong><span class="quiet">{{ p.count }} · {{ p.seconds }} s</span></span></button>
          </li>
          <li v-if="kind === 'video'"><label class="quiet"><input type="checkbox" v-model="allFaces"> show all faces</label></li>
        </ul>
        <ul class="legend" aria-label="Emotions; a press hides or shows a curve">
          <li v-for="(colour, name) in colours" :key="name">
            <button type="button" :aria-pressed="String(!hidden[name])" @click="toggle(name)" :style="{'--c': colour}">
              <i class="swatch"></i>{{ name }}</button>
          </li>
          <li class="quiet"><i class="swatch none"></i>none</li>
          <li class="quiet"><i class="swatch abstained"></i>abstained</li>
          <li class="quiet">The paler, the less certain. Thin bars: further emotions that hold.</li>
        </ul>
        <div class="lanes">
          <div class="names" ref="names" aria-hidden="true"></div>
          <div class="scroll" ref="scroll" tabindex="0" role="group" aria-label="Lanes of the speakers and curves of the scores. J and K choose an utterance.">
            <svg class="plot" ref="plot" role="img" aria-label="Utterances by speaker and time; the transcript holds the same"></svg>
          </div>
        </div>
      </section>
      <section class="words" aria-label="Transcript">
        <div class="bar"><h2>Transcript</h2><output ref="count" aria-live="polite"></output></div>
        <div class="filters">
          <label>Follow <select v-model="speaker"><option value="">nobody</option>
            <option v-for="s in speakers" :key="s.id" :value="s.id">{{ s.name || s.id }}</option></select></label>
          <label>Emotion <select v-model="emotion"><option value="">all</option>
            <option v-for="name in [...Object.keys(colours), 'none', 'abstained']" :key="name">{{ name }}</option></select></label>
          <label class="wide">Words <input type="search" v-model="words" autocomplete="off" placeholder="any"></label>
        </div>
        <ol class="turns" ref="turns"></ol>
      </section>
    </div>
    <aside class="side">
      <section class="player" aria-label="Recording" v-show="kind">
        <div v-if="kind === 'video'" class="stage" :class="{ veiled }">
          <video ref="media" controls playsinline preload="metadata" :src="media"></video>
          <svg ref="over" class="over" aria-hidden="true"></svg>
        </div>
        <audio v-if="kind === 'audio'" ref="media" controls preload="metadata" :src="media"></audio>
        <p class="quiet" ref="unplayable" hidden>This browser cannot play the recording.</p>
      </section>
      <section class="detail" ref="detail" aria-label="What was judged" aria-live="polite"></section>
      <slot></slot>
    </aside>
  </div>`,
  mixins: [following],
  props: { url: String, colours: Object, media: String, kind: String, faces: String, veiled: Boolean },
  emits: ["choose", "help", "undo", "shown", "failed"],
  data: () => ({ speaker: "", emotion: "", words: "", hidden: {}, speakers: [] }),
  watch: {
    url() { this.load(); },
    speaker() { this.filter(); },
    emotion() { this.filter(); },
    words() { this.filter(); },
  },
  created() {
    Object.assign(this, { entries: [], drawn: [], scale: 1, whole: 1, chosen: null, playing: null, seen: null });
  },
  mounted() {
    this.keys = (event) => this.key(event);
    this.again = () => this.draw();
    this.sized = () => this.zoom(1);
    document.addEventListener("keydown", this.keys);
    this.theme = new MutationObserver(this.again);
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    window.addEventListener("resize", this.sized);
    const media = this.$refs.media;
    if (media) {
      for (const event of ["timeupdate", "seeked", "play"]) media.addEventListener(event, () => this.follow());
      media.addEventListener("error", () => { media.hidden = true; this.$refs.unplayable.hidden = false; });
    }
    this.$refs.plot.addEventListener("click", (event) => this.clicked(event));
    this.load();
  },
  unmounted() {
    document.removeEventListener("keydown", this.keys);
    window.removeEventListener("resize", this.sized);
    this.theme.disconnect();
  },
  methods: {
    async load() {
      const url = this.url, begun = performance.now();
      this.$el.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(url, { headers: { Accept: "application/json" } });
        const found = await answer.json();
        if (url !== this.url) return; // asked for something else meanwhile
        if (!answer.ok) throw new Error(found.detail || answer.statusText);
        this.take(found);
        this.$emit("shown", { milliseconds: Math.round(performance.now() - begun) });
      } catch (error) {
        if (url === this.url) this.$emit("failed", { reason: String(error.message || error) });
      } finally {
        if (url === this.url) this.$el.removeAttribute("aria-busy");
      }
    },
    take(timeline) {
      const before = this.chosen && this.chosen.id, first = !this.timeline;
      this.timeline = timeline;
      this.entries = timeline.utterances;
      this.timed = this.entries.some((u) => u.start !== null);
      this.drawn = this.entries.filter((u) => !this.timed || u.start !== null);
      this.drawn.sort((a, b) => this.from(a) - this.from(b));
      this.whole = Math.max(this.timed ? timeline.duration || 0 : 0, 1e-3, ...this.drawn.map((u) => this.to(u)));
      this.speakers = timeline.speakers;
      this.named = new Map(timeline.speakers.map((s) => [s.id, s.name || s.id]));
      if (!this.named.has(this.speaker)) this.speaker = "";
      this.chosen = this.entries.find((u) => u.id === before) || null;
      this.playing = null;
      if (first) this.scale = this.typical();
      this.list();
      this.draw();
      this.meet();
      if (this.chosen) this.describe();
      else if (this.drawn.length) this.choose(this.drawn[0], { seek: false });
      else make("p", { class: "quiet" }, this.$refs.detail, "There are no utterances.");
    },
    from(u) { return this.timed ? u.start : this.entries.indexOf(u); },
    to(u) { return this.timed ? u.end : this.entries.indexOf(u) + 0.86; },
    when(u) { return u.start === null ? `no. ${this.entries.indexOf(u) + 1}` : `${clock(u.start)}–${clock(u.end)}`; },
    said(u) { return u.abstained ? "abstained" : u.emotions.map((e) => `${e} ${score(u.scores[e])}`).join(", ") || "none"; },

    // Lanes and curves.
    fitting() { return Math.max(1e-6, (this.$refs.scroll.clientWidth - 1) / this.whole); },
    typical() {
      const lengths = this.drawn.map((u) => this.to(u) - this.from(u)).sort((a, b) => a - b);
      return Math.max(this.fitting(), Math.min(40 / (lengths[lengths.length >> 1] || 1), 80 * this.fitting()));
    },
    zoom(by) {
      if (!this.timeline) return;
      const scroll = this.$refs.scroll, middle = (scroll.scrollLeft + scroll.clientWidth / 2) / this.scale;
      this.scale = Math.max(this.fitting(), Math.min(this.timed ? 400 : 300, 400000 / this.whole, this.scale * by));
      this.draw();
      scroll.scrollLeft = middle * this.scale - scroll.clientWidth / 2;
    },
    fit() { this.zoom(this.fitting() / this.scale); },
    toggle(name) {
      this.hidden[name] = !this.hidden[name];
      this.draw();
    },
    draw() {
      if (!this.timeline) return;
      const { plot } = this.$refs, lanes = AXIS + this.speakers.length * LANE, bottom = lanes + CURVES;
      plot.replaceChildren();
      plot.setAttribute("width", Math.max(1, this.whole * this.scale));
      plot.setAttribute("height", bottom + 8);
      drawHatch(plot);
      drawAxis(plot, { whole: this.whole, scale: this.scale, timed: this.timed, bottom });
      const sheet = paper();
      this.speakers.forEach((speaker, n) => this.drawLane(plot, speaker, AXIS + n * LANE, sheet));
      this.drawCurves(plot, lanes);
      svg("line", { class: "now", y1: AXIS - 8, y2: bottom, x1: -9, x2: -9 }, plot);
      this.drawNames(lanes);
      this.mark();
      this.dim();
      this.follow();
    },
    drawLane(plot, speaker, top, sheet) {
      svg("line", { x1: 0, x2: this.whole * this.scale, y1: top, y2: top, class: "grid" }, plot);
      for (const u of this.drawn) {
        if (u.speaker !== speaker.id) continue;
        const group = svg("g", { class: "u", "data-id": u.id, "data-speaker": u.speaker }, plot);
        svg("title", {}, group, `${this.named.get(u.speaker)} ${this.when(u)}: ${this.said(u)}\n${u.text || ""}`);
        const width = Math.max(1.5, (this.to(u) - this.from(u)) * this.scale - 1);
        drawBar(group, u, { x: this.from(u) * this.scale, y: top + PAD, width }, this.colours, sheet);
        if (this.byHand(u)) svg("circle", { cx: this.from(u) * this.scale + 5, cy: top + PAD + BAR + 6, r: 3, class: "hand" }, group);
      }
    },
    drawCurves(plot, lanes) {
      const top = lanes + 12, high = CURVES - 20, y = (p) => (top + high * (1 - p)).toFixed(1);
      svg("line", { x1: 0, x2: this.whole * this.scale, y1: lanes, y2: lanes, class: "grid" }, plot);
      for (const p of [0, 0.5, 1]) svg("line", { x1: 0, x2: this.whole * this.scale, y1: y(p), y2: y(p), class: "zero" }, plot);
      const judged = this.drawn.filter((u) => u.modalities.length);
      for (const [name, colour] of Object.entries(this.colours)) {
        if (this.hidden[name]) continue;
        let path = "";
        for (const u of judged) {
          const x0 = (this.from(u) * this.scale).toFixed(1), x1 = (this.to(u) * this.scale).toFixed(1);
          path += `${path ? "L" : "M"}${x0} ${y(u.scores[name] || 0)}H${x1}`;
        }
        if (path) svg("path", { d: path, class: "score-curve", stroke: colour, "data-label": name }, plot);
      }
    },
    drawNames(lanes) {
      const box = this.$refs.names;
      box.replaceChildren();
      make("div", {}, box).style.height = `${AXIS}px`;
      for (const speaker of this.speakers) {
        const name = make("div", { class: "lane", "data-speaker": speaker.id }, box);
        name.style.height = `${LANE}px`;
        name.onclick = () => this.followed(speaker.id);
        make("strong", { dir: "auto" }, name, this.named.get(speaker.id));
      }
      const curves = make("div", { class: "curves" }, box);
      curves.style.height = `${CURVES}px`;
      make("strong", {}, curves, "Scores");
      for (const p of [1, 0.5, 0]) make("span", {}, curves, String(p)).style.top = `${12 + (CURVES - 20) * (1 - p) - 5}px`;
      this.drawLaneNames();
    },
    byHand(u) { return u.warnings.some((w) => w.includes("by hand")); },
    clicked(event) {
      const group = event.target.closest(".u");
      if (group) return this.choose(this.entries.find((u) => u.id === group.dataset.id));
      if (!this.timed || !this.$refs.media) return;
      this.$refs.media.currentTime = (event.clientX - this.$refs.plot.getBoundingClientRect().left) / this.scale;
    },

    // The transcript.
    list() {
      const { turns } = this.$refs;
      turns.replaceChildren();
      for (const u of this.entries) {
        const item = make("li", { "data-id": u.id }, turns);
        const row = make("button", { type: "button", class: "turn" }, item);
        make("span", { class: "time" }, row, u.start === null ? String(this.entries.indexOf(u) + 1) : clock(u.start));
        make("span", { class: "who", dir: "auto" }, row, this.named.get(u.speaker));
        this.chips(make("span", { class: "chips" }, row), u);
        make("span", { class: "text", dir: "auto" }, row, u.text === null ? "(no words)" : u.text);
        if (this.byHand(u)) make("span", { class: "pen", title: "corrected by hand" }, row, "✎");
        row.onclick = () => this.choose(u);
      }
      this.filter();
    },
    chips(parent, u) {
      for (const name of none(u)) {
        const chip = make("span", { class: `chip ${name in this.colours ? "" : name}` }, parent, name);
        if (name in this.colours) chip.style.setProperty("--c", this.colours[name]);
      }
    },
    fits(u) { return (!this.speaker || u.speaker === this.speaker) && this.listed(u); },
    listed(u) {
      return (!this.emotion || none(u).includes(this.emotion)) && (u.text || "").toLowerCase().includes(this.words.toLowerCase().trim());
    },
    filter() {
      let count = 0;
      for (const item of this.$refs.turns.children) {
        const u = this.entries.find((one) => one.id === item.dataset.id), fits = this.fits(u);
        item.hidden = !this.listed(u);
        item.classList.toggle("out", !fits);
        count += fits;
      }
      const all = this.entries.length;
      this.$refs.count.textContent = count === all ? `${all}` : `${count} of ${all}`;
      this.dim();
    },
    dim() {
      const fits = new Map(this.entries.map((u) => [u.id, this.fits(u)]));
      for (const group of this.$refs.plot.querySelectorAll(".u")) group.classList.toggle("out", !fits.get(group.dataset.id));
    },

    // Choosing and playing.
    choose(u, { seek = true } = {}) {
      this.chosen = u;
      this.mark();
      this.describe();
      this.reveal(u);
      if (seek && this.$refs.media && u.start !== null) this.$refs.media.currentTime = u.start;
      this.$emit("choose", { id: u.id });
    },
    reveal(u) {
      const { scroll, turns } = this.$refs, item = turns.querySelector(`[data-id="${CSS.escape(u.id)}"]`);
      const left = this.from(u) * this.scale, right = this.to(u) * this.scale;
      if (left < scroll.scrollLeft || right > scroll.scrollLeft + scroll.clientWidth)
        scroll.scrollLeft = (left + right - scroll.clientWidth) / 2;
      if (!item || turns.scrollHeight <= turns.clientHeight) return;
      const top = item.offsetTop - turns.offsetTop;
      if (top < turns.scrollTop) turns.scrollTop = top;
      else if (top + item.offsetHeight > turns.scrollTop + turns.clientHeight)
        turns.scrollTop = top + item.offsetHeight - turns.clientHeight;
    },
    step(by) {
      const shown = this.drawn.filter((u) => this.fits(u)), at = shown.indexOf(this.chosen);
      if (shown.length) this.choose(shown[at < 0 ? 0 : Math.max(0, Math.min(shown.length - 1, at + by))]);
    },
    mark() {
      for (const [name, u] of [["chosen", this.chosen], ["playing", this.playing]]) {
        for (const node of this.$el.querySelectorAll(`.${name}`)) node.classList.remove(name);
        if (u) for (const node of this.$el.querySelectorAll(`[data-id="${CSS.escape(u.id)}"]`)) node.classList.add(name);
      }
      for (const item of this.$refs.turns.children)
        item.firstChild.setAttribute("aria-current", String(this.chosen !== null && item.dataset.id === this.chosen.id));
    },
    follow() {
      const { media, plot } = this.$refs, line = plot.querySelector(".now");
      if (!media || !line || !this.timed) return;
      line.setAttribute("x1", media.currentTime * this.scale);
      line.setAttribute("x2", media.currentTime * this.scale);
      const now = this.drawn.filter((u) => u.start <= media.currentTime && media.currentTime < u.end).pop() || null;
      if (now !== this.playing) {
        this.playing = now;
        this.mark();
        if (now && !media.paused) this.reveal(now);
      }
    },
    key(event) {
      const on = event.target instanceof Element ? event.target : document.body;
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector(".q-dialog__inner")) return;
      if (on.closest("input, textarea, select, [contenteditable], [role=listbox], [role=combobox]")) return;
      if (event.key === " " && on.closest("button, a, video, audio, [role=button], [role=checkbox]")) return;
      if (event.key.startsWith("Arrow") && on.closest("video, audio, .turns")) return;
      const { media } = this.$refs;
      const seek = (by) => media && (media.currentTime = Math.max(0, media.currentTime + by));
      const act = {
        " ": () => media && (media.paused ? media.play() : media.pause()),
        ArrowLeft: () => seek(-SEEK), ArrowRight: () => seek(SEEK), j: () => this.step(1), k: () => this.step(-1),
        f: () => this.chosen && this.followed(this.chosen.speaker),
        "+": () => this.zoom(1.6), "-": () => this.zoom(1 / 1.6),
        u: () => this.$emit("undo", {}), "?": () => this.$emit("help", {}),
      }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    },

    // What was judged of the chosen utterance, and by what.
    describe() {
      const box = this.$refs.detail, u = this.chosen;
      box.replaceChildren();
      const head = make("div", { class: "bar" }, box);
      make("h2", { dir: "auto" }, head, this.named.get(u.speaker));
      const tools = make("div", { class: "tools" }, head);
      for (const [text, label, by] of [["←", "Previous utterance", -1], ["→", "Next utterance", 1]])
        make("button", { type: "button", "aria-label": label }, tools, text).onclick = () => this.step(by);
      make("p", { class: "when quiet" }, box, `${u.id} · ${this.when(u)}`);
      if (u.text !== null) make("blockquote", { dir: "auto" }, box, u.text);
      this.chips(make("p", { class: "answer" }, box), u);
      if (u.abstained) make("p", { class: "quiet" }, box, "Abstained: there was too little to go by.");
      this.sideBySide(box, u);
      const facts = make("dl", {}, box);
      for (const [term, value] of [
        ["Uncertainty", `${score(u.uncertainty)} bit of 1`], ["Valence", `${score(u.valence)} (−1 to +1)`],
        ["Used", u.modalities.join(", ") || "nothing"], ...u.warnings.map((w) => ["Note", w]),
      ]) {
        make("dt", {}, facts, term);
        make("dd", { dir: "auto" }, facts, value);
      }
    },
    sideBySide(box, u) {
      const modalities = u.modalities.filter((m) => u.by_modality[m]), limits = this.timeline.thresholds;
      const table = make("table", {}, make("div", { class: "table" }, box)), head = make("tr", {}, make("thead", {}, table));
      for (const name of ["emotion", Object.keys(limits).length ? "score, threshold |" : "score", "all", ...modalities])
        make("th", { scope: "col" }, head, name);
      const body = make("tbody", {}, table);
      for (const name of Object.keys(u.scores).sort((a, b) => u.scores[b] - u.scores[a])) {
        const row = make("tr", { class: u.emotions.includes(name) && !u.abstained ? "holds" : "", "data-label": name }, body);
        row.style.setProperty("--c", this.colours[name]);
        make("th", { scope: "row" }, row, name);
        const bar = make("div", {}, make("td", { class: "score" }, row));
        make("i", {}, bar).style.width = `${100 * u.scores[name]}%`;
        if (limits[name] !== undefined) make("u", { title: `holds from ${score(limits[name])} on` }, bar).style.left = `calc(${100 * limits[name]}% - 1px)`;
        make("td", { class: "number all" }, row, score(u.scores[name]));
        for (const m of modalities) make("td", { class: "number" }, row, score(u.by_modality[m][name]));
      }
    },
  },
};
