"""A conversation that still goes on: sound comes in as it is made, and utterances come out as they end."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from affectline import faces
from affectline.checkpoint import Checkpoint
from affectline.checkpoint.seen import Seen, answered, together
from affectline.media import MemoryClip
from affectline.media.pictures import Picture, resized, size
from affectline.nn.mtcnn import FOUND
from affectline.segment.speech import CHUNK, CONTEXT, RATE, SECONDS, State, cut, silero, spans_of
from affectline.timeline import Source, Timeline
from affectline.types import Conversation, FaceTrack, Modality, Prediction, Span, Utterance, Word

GAP = 0.3  # seconds of quiet after which an utterance is over, as in `segment.speech.cut`
PAD = 0.03  # seconds that `spans_of` lets speech begin earlier
ON = 0.5  # probability from which on it is speech
PAUSE, BEGUN = 4, 8  # chunks: of quiet that does not end speech yet, and of the shortest speech that counts
BEFORE = 1.0  # seconds that are kept of what was no speech, in which the next utterance may begin
PAST = 30  # utterances that the next one is judged in the light of
PICTURES = 5.0  # a second that are kept
HELD = 20.0  # seconds that pictures and words are kept, and `wait` more: longer than an utterance may be
WORDS = 10_000  # that are kept
SIDE = 360  # pixels of the shorter side of pictures that are kept
NEAR = 0.2  # seconds between a time and the picture that is shown for it

Sound = Float32[np.ndarray, " _"]


@dataclass(frozen=True)
class _Shown:
    """A picture, and the face in it, if there is one."""

    time: float
    picture: UInt8[np.ndarray, "height width 3"]
    box: Float32[np.ndarray, "4"] | None
    landmarks: Float32[np.ndarray, "5 2"] | None


class Live:
    """What has been heard, seen and said of a conversation, as far as it is needed.

    Utterances are found as in a recording (`segment.speech`), but that no quiet after the next one is known.
    Who speaks is what the words say, else `speaker`; of several faces the largest is taken for the speaker's.
    A model of conversations knows what was said before. `wait`: seconds that an utterance waits for its words
    after its end, beyond the 0.3 s of quiet by which the end is known. `hear`, `say` and `end` are for one
    thread, `see` may be called by another.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        modalities: Sequence[Modality] = tuple(Modality),
        *,
        speaker: str = "S1",
        wait: float = 0.0,
    ) -> None:
        self.checkpoint, self.modalities, self.speaker, self.wait = checkpoint, modalities, speaker, wait
        self.seconds = 0.0  # heard so far
        self._rest: Sound = np.zeros(CONTEXT, np.float32)  # of the sound, what fills no chunk yet
        self._state: State | None = None
        self._loudest = 0.0
        self._from = 0  # the chunk that `_speech` and `_sound` begin with
        self._speech = np.zeros(0, np.float32)
        self._sound: Sound = np.zeros(0, np.float32)
        self._held = HELD + wait
        self._words: deque[tuple[Word, str | None]] = deque(maxlen=WORDS)
        self._shown: deque[_Shown] = deque()
        self._lock = Lock()
        self._looked = -np.inf
        self._count = 0
        self._past: list[tuple[str, Seen]] = []

    def hear(self, sound: Sound) -> list[dict[str, Any]]:
        """Utterances that have ended by the end of this sound (16 kHz, -1 to 1), as a timeline has them."""
        self.seconds += len(sound) / RATE
        self._sound = np.concatenate([self._sound, sound])
        self._listen(sound)
        return self._ended(self.seconds - GAP - self.wait)

    def end(self) -> list[dict[str, Any]]:
        """The utterances that are left."""
        return self._ended(np.inf)

    def say(self, words: Sequence[Word], speaker: str | None = None) -> None:
        """Words with their times, in seconds since the beginning, and who says them; they may come early."""
        late = self.seconds - self._held
        new = [*self._words, *((word, speaker) for word in words)]
        self._words = deque((one for one in new if (span := one[0].span) and span.end >= late), maxlen=WORDS)

    def see(self, time: float, picture: Picture) -> None:
        """A picture, RGB and upright, at a time in seconds; no more than 5 a second are looked at."""
        last = self._shown[-1] if self._shown else None
        if last is not None and time - last.time < 1 / PICTURES - 0.02:
            return
        small = resized(picture, size(picture.shape[0], picture.shape[1], SIDE))
        box, landmarks = self._face(time, small, last)
        with self._lock:
            if last is not None and last.picture.shape != small.shape:
                self._shown.clear()
            self._shown.append(_Shown(time, small, box, landmarks))
            while self._shown[0].time < time - self._held:
                self._shown.popleft()

    def _face(
        self, time: float, picture: Picture, last: _Shown | None
    ) -> tuple[Float32[np.ndarray, "4"] | None, Float32[np.ndarray, "5 2"] | None]:
        """Near where it was, else, twice a second, the largest anywhere."""
        detector = faces.detector(str(next(self.checkpoint.model.parameters()).device))
        if last is not None and last.box is not None:
            found = detector.look_again(picture, last.box[None])
            if found.scores[0] > FOUND and faces.overlap(found.boxes, last.box[None])[0, 0] > faces.SAME:
                return found.boxes[0], found.landmarks[0]
        if time - self._looked < faces.SEARCH:
            return None, None
        self._looked = time
        (found,) = detector.detect(picture[None])
        if not len(found):
            return None, None
        largest = int(np.argmax((found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)))
        return found.boxes[largest], found.landmarks[largest]

    def _listen(self, sound: Sound) -> None:
        """Is it speech? Quiet sound is made louder by the loudest so far, as in a recording."""
        if len(sound):
            self._loudest = max(self._loudest, float(np.quantile(np.abs(sound), 0.999)))
        gain = np.float32(np.clip(0.4 / max(self._loudest, 1e-9), 1.0, 10.0))
        joined = np.concatenate([self._rest, sound * gain])
        whole = (len(joined) - CONTEXT) // CHUNK * CHUNK
        if whole:
            found, self._state = silero()(torch.from_numpy(joined[: CONTEXT + whole]), self._state)
            self._speech = np.concatenate([self._speech, found.numpy()])
        self._rest = joined[whole:]

    def _ended(self, until: float) -> list[dict[str, Any]]:
        """Those utterances of what is kept that end by a time, in seconds; they and quiet are forgotten."""
        start = self._from * SECONDS
        going_on = until < np.inf and bool((self._speech[-PAUSE:] >= ON).any())
        # speech that has just begun is no shorter than what counts: it may belong to what was said before it
        heard = np.concatenate([self._speech, np.ones(BEGUN if going_on else 0, np.float32)])
        found = cut(spans_of(heard, len(heard) * SECONDS, on=ON), heard, gap=GAP)
        over = [span for span in found if span.end + PAD + start <= until]
        said = [self._judged(Span(start + span.start, start + span.end)) for span in over]
        if over:
            self._forget(over[-1].end)
        elif not found:
            self._forget(len(self._speech) * SECONDS - BEFORE)
        return said

    def _forget(self, seconds: float) -> None:
        """What is kept begins this much later."""
        chunks = max(0, int(seconds / SECONDS))
        self._from += chunks
        self._speech, self._sound = self._speech[chunks:], self._sound[chunks * CHUNK :]

    def _judged(self, span: Span) -> dict[str, Any]:
        self._count += 1
        utterance = self._utterance(span)
        lost = [m for m in Modality if m not in self.modalities]
        talk = Conversation("stream", (utterance,)).without(*lost)
        prediction = self._predicted(talk)
        timeline = Timeline.of(
            talk, [prediction], source=Source(), labels=self.checkpoint.labels.names, checkpoint={}
        )
        return timeline.document()["utterances"][0]

    def _predicted(self, talk: Conversation) -> Prediction:
        """In the light of what was said before, where the model can be."""
        (alone,), seen = answered(self.checkpoint, talk)
        if seen is None or not self.checkpoint.model.context:
            return alone
        self._past = [*self._past[-PAST:], (talk.utterances[0].speaker, seen)]
        whole = together([one for _, one in self._past])
        return whole.predict(self.checkpoint, [speaker for speaker, _ in self._past], self.modalities)[-1]

    def _utterance(self, span: Span) -> Utterance:
        first = round(span.start * RATE) - self._from * CHUNK
        samples = self._sound[max(0, first) : first + round(span.duration * RATE)].copy()
        words, speaker = self._said(span)
        images, face = self._seen(span)
        text = " ".join(word.text for word in words) or None
        unseen = {} if len(images) else {Modality.VIDEO}
        return Utterance(
            id=f"u{self._count:04}",
            speaker=speaker,
            text=text,
            text_source="given" if text else "none",
            words=words,
            clip=MemoryClip(samples, RATE, images if len(images) else None, PICTURES, 0.0, span.duration),
            span=span,
            face=face,
            missing=frozenset({*unseen, *(() if text else (Modality.TEXT,))}),
            warnings=("no face found",) if len(images) and face is None else (),
        )

    def _said(self, span: Span) -> tuple[tuple[Word, ...], str]:
        """The words whose middle is in the span, and who said most of them."""
        inside = [
            (word, who)
            for word, who in self._words
            if word.span and span.start <= (word.span.start + word.span.end) / 2 < span.end
        ]
        names = [who for _, who in inside if who]
        speaker = max(names, key=names.count) if names else self.speaker
        return tuple(word for word, _ in sorted(inside, key=lambda one: one[0].span or span)), speaker

    def _seen(self, span: Span) -> tuple[UInt8[np.ndarray, "time height width 3"], FaceTrack | None]:
        """Pictures at even times over the span, and the face in them."""
        with self._lock:
            shown = list(self._shown)
        times = span.start + np.arange(max(1, round(span.duration * PICTURES))) / PICTURES
        away = np.abs(np.array([[one.time for one in shown]]) - times[:, None])
        if not shown or away.min() > NEAR:
            return np.zeros((0, 0, 0, 3), np.uint8), None
        chosen = [shown[n] for n in away.argmin(axis=1)]
        there = [n for n, one in enumerate(chosen) if one.landmarks is not None and away[n].min() <= NEAR]
        images = np.stack([one.picture for one in chosen])
        if not there:
            return images, None
        track = FaceTrack(
            "F1",
            times[there] - span.start,
            np.stack([box for n in there if (box := chosen[n].box) is not None]),
            np.stack([marks for n in there if (marks := chosen[n].landmarks) is not None]),
        )
        return images, track
