// One speaker followed through the conversation: who there is, with a picture where a face was seen, and boxes
// of faces over the video. It works on what talk.js has drawn.
import { svg } from "/static/drawing.js";

const NEAR = 0.5; // seconds without a box after which a face is not there
const SIDE = 88, GROWN = 0.35; // pixels of a picture, and by how much a box is larger there

export const following = {
  data: () => ({ people: [], allFaces: false }),
  created() { Object.assign(this, { tracks: [], taken: "" }); },
  mounted() {
    const media = this.$refs.media;
    if (!media || this.kind !== "video") return;
    for (const event of ["timeupdate", "seeked", "loadeddata", "pause"]) media.addEventListener(event, () => this.frame());
    media.addEventListener("play", () => this.run());
    this.fetchFaces();
  },
  watch: {
    speaker() { this.drawLaneNames(); this.frame(); },
    allFaces() { this.frame(); },
    media() { this.changed(); },
    veiled() { this.pictures(); },
  },
  methods: {
    async fetchFaces() {
      try {
        const answer = await fetch(this.faces, { headers: { Accept: "application/json" } });
        this.tracks = answer.ok ? await answer.json() : [];
      } catch { this.tracks = []; }
      this.meet();
    },
    // Who speaks, how much, and with which faces.
    meet() {
      if (!this.entries) return;
      const known = new Map(this.tracks.map((t) => [t.id, t.boxes]));
      for (const { face } of this.entries) // an analysis of which only the speakers' faces are known
        if (face && !this.tracks.length) known.set(face.track, [...(known.get(face.track) || []), ...face.boxes]);
      for (const boxes of known.values()) boxes.sort((a, b) => a[0] - b[0]);
      this.boxes = known;
      this.people = this.speakers.map((s) => {
        const own = this.entries.filter((u) => u.speaker === s.id), faces = new Set(own.flatMap((u) => (u.face ? [u.face.track] : [])));
        const seconds = own.reduce((sum, u) => sum + (u.start === null ? 0 : u.end - u.start), 0);
        return { id: s.id, name: s.name || s.id, count: own.length, seconds: Math.round(seconds), faces };
      });
      this.$nextTick(() => { this.pictures(); this.frame(); });
    },
    followed(id) {
      this.speaker = this.speaker === id ? "" : id;
      const own = this.drawn.filter((u) => u.speaker === this.speaker), now = this.$refs.media ? this.$refs.media.currentTime : 0;
      if (own.length && (!this.chosen || this.chosen.speaker !== id)) this.choose(own.find((u) => this.to(u) > now) || own[own.length - 1]);
    },
    drawLaneNames() {
      for (const name of this.$refs.names.querySelectorAll("[data-speaker]"))
        name.classList.toggle("followed", name.dataset.speaker === this.speaker);
    },

    // Boxes over the video.
    run() {
      this.frame();
      const { media } = this.$refs;
      if (media && !media.paused && !media.ended) requestAnimationFrame(() => this.run());
    },
    frame() {
      const { media, over } = this.$refs;
      if (!over || !media || !media.videoWidth || !this.boxes) return;
      over.setAttribute("viewBox", `0 0 ${media.videoWidth} ${media.videoHeight}`);
      over.replaceChildren();
      const one = this.people.find((p) => p.id === this.speaker), size = media.videoHeight / 18;
      for (const [id, boxes] of this.boxes) {
        const own = one && one.faces.has(id), box = (own || this.allFaces) && at(boxes, media.currentTime);
        if (!box) continue;
        const [x0, y0, x1, y1] = box, names = this.people.filter((p) => p.faces.has(id)).map((p) => p.name);
        const label = own ? one.name : [id, ...names].join(" · ");
        const group = svg("g", { class: own ? "own" : "", "data-face": id }, over);
        svg("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, "stroke-width": size / 7 }, group);
        const below = y0 < 1.3 * size, text = svg("text", { x: x0, y: below ? y1 + size : y0 - size / 3, "font-size": size }, group);
        text.textContent = label;
      }
    },

    // The blurred copy is another file with the same times.
    changed() {
      const { media } = this.$refs;
      if (!media) return;
      const now = media.currentTime, paused = media.paused;
      media.addEventListener("loadedmetadata", () => {
        media.currentTime = now;
        if (!paused) media.play();
        this.pictures();
      }, { once: true });
    },
    // A picture of each speaker, out of the video as it is shown: blurred where that is.
    async pictures() {
      const taken = (this.taken = {}), places = this.$el.querySelectorAll(".people canvas");
      for (const canvas of places) canvas.hidden = true;
      if (this.veiled || this.kind !== "video" || !this.boxes) return;
      const video = document.createElement("video");
      video.muted = true;
      video.preload = "auto";
      video.src = this.media;
      for (const person of this.people) {
        const box = this.largest(person), canvas = [...places].find((c) => c.dataset.speaker === person.id);
        if (!box || !canvas) continue;
        if (!(await shown(video, box[0])) || taken !== this.taken) return;
        draw(canvas, video, box);
        canvas.hidden = false;
      }
      video.removeAttribute("src");
    },
    largest(person) {
      const found = this.entries.filter((u) => u.speaker === person.id && u.face).flatMap((u) => u.face.boxes);
      const area = ([, x0, y0, x1, y1]) => (x1 - x0) * (y1 - y0);
      return found.reduce((best, box) => (best && area(best) >= area(box) ? best : box), null);
    },
  },
};

// Where a face is at a time, between the boxes before and after.
function at(boxes, time) {
  let low = 0, high = boxes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (boxes[middle][0] <= time) low = middle + 1; else high = middle;
  }
  const before = boxes[low - 1], after = boxes[low];
  const near = [before, after].filter((b) => b && Math.abs(b[0] - time) <= NEAR);
  if (near.length < 2) return near.length && (near[0] !== after || after[0] - time < 0.1) ? near[0].slice(1) : null;
  const share = (time - before[0]) / (after[0] - before[0]);
  return before.slice(1).map((value, n) => value + share * (after[n + 1] - value));
}

function shown(video, time) {
  return new Promise((done) => {
    video.onerror = () => done(false);
    video.onseeked = () => done(true);
    const seek = () => { video.currentTime = time + 0.01; };
    if (video.readyState >= 1) seek(); else video.onloadedmetadata = seek;
  });
}

function draw(canvas, video, [, x0, y0, x1, y1]) {
  const side = Math.max(x1 - x0, y1 - y0) * (1 + GROWN), left = (x0 + x1 - side) / 2, top = (y0 + y1 - side) / 2;
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").drawImage(video, left, top, side, side, 0, 0, SIDE, SIDE);
}
