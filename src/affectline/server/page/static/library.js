// Sends recordings as any other program does: a form to the API, which writes it to the disk as it comes.
export default {
  template: `
  <section class="drop" :class="{over}" aria-label="Analyse a recording"
      @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="dropped">
    <h2>Analyse a recording</h2>
    <p class="quiet" style="margin:4px 0 0">Drop a sound or video file here, with its transcript if there is one (SRT, WebVTT, JSON, CSV).
      It goes to this server and nowhere else.</p>
    <form class="fields" @submit.prevent="send">
      <label>Recording <input ref="recording" type="file" required></label>
      <label>Transcript, if there is one <input ref="transcript" type="file" accept=".srt,.vtt,.json,.csv,.tsv,.ass,.ssa,.ttml,.sami,.smi"></label>
      <fieldset><legend>Read emotions from</legend><div>
        <label v-for="m in modalities" :key="m"><input type="checkbox" :value="m" v-model="wanted"> {{ m }}</label></div></fieldset>
      <button type="submit" :disabled="share !== null">Analyse</button>
    </form>
    <progress v-if="share !== null" :value="share" max="1" aria-label="Sent"></progress>
    <output role="status" aria-live="polite">{{ said }}</output>
  </section>`,
  props: { modalities: Array, transcripts: Array },
  emits: ["sent"],
  data() { return { over: false, wanted: [...this.modalities], share: null, said: "" }; },
  mounted() {
    for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault()); // a file that misses the box is not opened
  },
  methods: {
    dropped(event) {
      this.over = false;
      const put = (input, file) => {
        const held = new DataTransfer();
        if (file) held.items.add(file);
        input.files = held.files;
      };
      const files = [...event.dataTransfer.files], words = (f) => this.transcripts.some((e) => f.name.toLowerCase().endsWith(e));
      const recordings = files.filter((f) => !words(f)), others = files.filter(words);
      if (!files.length) return;
      if (recordings.length > 1 || others.length > 1) {
        this.said = "One recording at a time, with one transcript.";
        return;
      }
      put(this.$refs.recording, recordings[0] || others[0]);
      put(this.$refs.transcript, recordings.length ? others[0] : null);
      this.send();
    },
    send() {
      const form = new FormData(), { recording, transcript } = this.$refs;
      if (!recording.files.length || !this.wanted.length) {
        this.said = recording.files.length ? "Choose what emotions are read from." : "Choose a recording.";
        return;
      }
      form.append("modalities", this.modalities.filter((m) => this.wanted.includes(m)).join(","));
      if (transcript.files.length) form.append("transcript", transcript.files[0]);
      form.append("recording", recording.files[0]);
      const request = new XMLHttpRequest(); // fetch does not tell how much is sent
      request.open("POST", "/api/v1/jobs");
      request.upload.onprogress = (event) => (this.share = event.lengthComputable ? event.loaded / event.total : 0);
      request.onload = () => this.answered(request);
      request.onerror = () => this.answered(null);
      this.share = 0;
      this.said = `Sending ${recording.files[0].name} ...`;
      request.send(form);
    },
    answered(request) {
      this.share = null;
      let found = {};
      try { found = JSON.parse(request.responseText); } catch { /* said below */ }
      if (!request || request.status !== 201) {
        this.said = `Not taken: ${found.detail || "the server cannot be reached"}`;
        return;
      }
      this.said = `${found.name} is in the list.`;
      this.$refs.recording.value = this.$refs.transcript.value = "";
      this.$emit("sent", { id: found.id });
    },
  },
};
