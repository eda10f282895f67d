"""What explains the answers of a timeline, and the way there: its conversation again, from the recording."""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from affectline import explain
from affectline.analyze.attention import watched
from affectline.analyze.recordings import is_transcript, sha256_of
from affectline.analyze.soft import ABSENT, Soft
from affectline.checkpoint import Checkpoint
from affectline.checkpoint.asking import Asked, randomised
from affectline.checkpoint.vectors import Vectors
from affectline.explain import Answers, Explanation, gradients
from affectline.explain.answers import Known
from affectline.explain.attention import Attention
from affectline.explain.faithfulness import ORDERS, Judged, judge
from affectline.explain.modalities import modalities
from affectline.explain.regions import regions
from affectline.explain.sounds import sounds
from affectline.explain.surrogate import METHODS
from affectline.explain.units import UNITS_OF, units
from affectline.explain.words import words
from affectline.features import Extractor
from affectline.features.video_aus import ActionUnits
from affectline.media import FileClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import attach
from affectline.timeline import Entry, Timeline
from affectline.types import Conversation, Modality, Utterance, modality_of

Progress = Callable[[str, float], None]
"""Is told what is being explained, and the share of it that is done."""

SCENES = ("video.scene", "video.frames", "video.c3d")
"""Streams that show more than the speaker's face."""
BATCH = {Modality.TEXT: 64, Modality.AUDIO: 64, Modality.VIDEO: 32}
"""Changed conversations in memory at once, with what is made of them."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be explained, and how.

    `method`: "lime" and "shap" take any model, "ig" (integrated gradients) one that `Soft` leads through.
    `emotions`: None: those that hold, else the strongest. `modalities`: None: those that were used. `around`:
    how many turns before and after may have mattered too. `regions`: of the picture, as
    `affectline.explain.regions` has them; None: the face, or the scene where there is none and the model sees
    it. `judged`: whether to find out how far it can be trusted, which takes about three times as long:
    against `orders` random ones (None: 30), and where `checked` by the weights of another seed and those of a
    shuffled model.

    Raises:
        ValueError: an option has a value that it cannot have.
    """

    emotions: tuple[str, ...] | None = None
    modalities: tuple[Modality, ...] | None = None
    method: str = "lime"
    samples: int = 1000
    seed: int = 0
    around: int = 0
    regions: str | None = None
    judged: bool = True
    orders: int | None = None
    checked: bool = True
    until_stable: bool = True

    def __post_init__(self) -> None:
        if self.method not in (methods := (*METHODS, gradients.METHOD)):
            raise ValueError(f"there is no method {self.method!r}; there are {', '.join(methods)}")
        if self.samples < 1 or self.around < 0:
            raise ValueError(
                f"samples is {self.samples} and around is {self.around}; they are over 0, and 0 or more"
            )
        if self.orders is not None and self.orders < 1:
            raise ValueError(f"orders is {self.orders}; a comparison with random orders needs 1 or more")


@dataclass(frozen=True)
class Explainer:
    """A checkpoint and a conversation whose answers it explains.

    `notes` say of what nothing could be explained that was not asked for by name.
    """

    checkpoint: Checkpoint
    conversation: Conversation
    # Random orders are the same by any method: what they ask is answered once.
    _judged: dict[Any, dict[bytes, Known]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def asked(self) -> Asked:
        """The checkpoint, which remembers what it made of the conversation as it is."""
        return Asked(self.checkpoint, self.conversation)

    @cached_property
    def shuffled(self) -> Asked:
        """A model of random weights, of which an explanation should say something else."""
        return Asked(randomised(self.checkpoint), self.conversation)

    def explain(
        self,
        utterance: str,
        wanted: Wanted = Wanted(),
        *,
        progress: Progress = lambda _what, _share: None,
        note: Callable[[str], None] = lambda _note: None,
    ) -> list[Explanation]:
        """Each modality, and where there are several, how much each of them moved the answer.

        Raises:
            ValueError: no utterance has this id, there is nothing to explain, or an emotion or a modality
                that was asked for is not there.
            ImportError: the extra "explain" is not installed.
        """
        index = explain.find(self.conversation, utterance)
        (answers,) = self.asked([self.conversation])
        seen = answers[index].modalities
        found: list[Explanation] = []
        for modality in wanted.modalities or seen:
            try:
                found.append(self._one(index, modality, wanted, progress))
            except ValueError as error:
                if wanted.modalities or wanted.emotions:
                    raise
                note(f"{modality} not explained: {error}")
        if len(seen) > 1:
            progress("modalities", 0.0)
            found.append(modalities(self.conversation, index, self.asked, emotions=wanted.emotions))
        if not found:
            raise ValueError(f"nothing of utterance {utterance!r} can be explained")
        return found

    def watched(self, utterance: str) -> list[Attention]:
        """Where the model looked, of one that has attention between modalities; of any other nothing.

        Raises:
            ValueError: no utterance has this id.
        """
        index = explain.find(self.conversation, utterance)
        try:
            return watched(self.checkpoint, self.conversation, index, self.asked.memo)
        except ValueError:
            return []

    def _one(self, index: int, modality: Modality, wanted: Wanted, progress: Progress) -> Explanation:
        perturbation, batch = self._perturbation(index, modality, wanted), BATCH[modality]
        by_gradients = wanted.method == gradients.METHOD

        def told(of: int, what: str = "") -> Callable[[int], None]:
            return lambda done: progress(f"{modality}{what}", min(1.0, done / max(1, of)))

        told_all = told(wanted.samples)
        answers = Answers(perturbation, self.asked, wanted.emotions, batch=batch, progress=told_all)
        if by_gradients:
            progress(str(modality), 0.0)
            found = _integrated(self.asked, perturbation, modality, answers.emotions)
        else:
            found = explain.explain(
                perturbation,
                self.asked,
                method=wanted.method,
                samples=wanted.samples,
                seed=wanted.seed,
                until_stable=wanted.until_stable,
                answers=answers,
            )
        if not wanted.judged:
            return found
        progress(f"{modality}: is it faithful?", 0.0)
        other, orders = self.shuffled if wanted.checked else None, wanted.orders or ORDERS
        if by_gradients and other:
            other = _integrated(other, perturbation, modality, found.emotions)
        return judge(
            found,
            perturbation,
            self.asked,
            orders=orders,
            stability=wanted.checked and not by_gradients,
            randomised=other,
            answers=answers,
            known=self._judged.setdefault((index, modality, wanted.around, wanted.regions), {}),
            batch=batch,
            progress=told(orders * len(found.parts), ": is it faithful?"),
        )

    def _perturbation(self, index: int, modality: Modality, wanted: Wanted) -> Judged:
        if modality is Modality.TEXT:
            return words(self.conversation, index, around=wanted.around, turns=True)
        if modality is Modality.AUDIO:
            return sounds(self.conversation, index)
        streams = {_read(e) for e in self.checkpoint.extractors}
        seen = {s for s in streams if modality_of(s) is Modality.VIDEO}
        if wanted.regions == UNITS_OF or (wanted.regions is None and seen == {ActionUnits.stream}):
            if ActionUnits.stream not in streams:
                raise ValueError(
                    f"{self.checkpoint.name!r} reads no action units; explain regions of the face"
                )
            return units(self.conversation, index)
        faceless = self.conversation.utterances[index].face is None
        scene = faceless and any(stream in SCENES for stream in streams)
        return regions(self.conversation, index, kind=wanted.regions or ("scene" if scene else "superpixels"))


def _integrated(
    asked: Asked, perturbation: Judged, modality: Modality, emotions: Sequence[str]
) -> Explanation:
    """By gradients, which need the network itself."""
    soft = Soft(asked.checkpoint, perturbation, emotions, asked.memo)
    return gradients.integrated(perturbation, soft, emotions, absent=ABSENT[modality])


def _read(extractor: Extractor) -> str:
    """The stream that a model sees, through an encoder or not."""
    return extractor.source.stream if isinstance(extractor, Vectors) else extractor.stream


def explained(
    checkpoint: Checkpoint,
    conversation: Conversation,
    timeline: Timeline,
    *,
    wanted: Wanted = Wanted(),
    only: Collection[str] | None = None,
    progress: Progress = lambda _what, _share: None,
    note: Callable[[str], None] = lambda _note: None,
) -> Timeline:
    """The timeline of a conversation with every utterance explained of which anything can be.

    `only`: the ids of those that are; None: all. It is cancelled where `progress` raises.

    Raises:
        ValueError: no utterance has one of these ids.
    """
    for id in only or ():
        explain.find(conversation, id)
    chosen = [u for u in conversation if only is None or u.id in only]
    explainer = Explainer(checkpoint, conversation)
    found: list[Explanation] = []
    looked: list[Attention] = []
    for n, utterance in enumerate(chosen):
        progress("explanations", n / len(chosen))
        looked += explainer.watched(utterance.id)
        try:
            found += explainer.explain(
                utterance.id,
                wanted,
                progress=lambda _what, _share, n=n: progress("explanations", n / len(chosen)),
                note=lambda text, id=utterance.id: note(f"{id}: {text}"),
            )
        except ValueError as error:
            note(f"{utterance.id}: {error}")
    progress("explanations", 1.0)
    return with_explanations(timeline, found, looked)


def rebuilt(
    timeline: Timeline, detector: Callable[[], MTCNN], progress: Progress = lambda _what, _share: None
) -> Conversation:
    """The conversation that a timeline was made of, faces and all, from its recording.

    Raises:
        ValueError: the recording is not where the timeline says, or is another one by now.
    """
    clip = _recording(timeline)
    talk = Conversation(
        Path(timeline.source.path or "conversation").stem,
        tuple(_utterance(entry, clip) for entry in timeline.utterances),
    )
    if clip is None or not any(entry.face for entry in timeline.utterances):
        return talk
    progress("faces", 0.0)
    return attach(talk, clip, detector(), progress=lambda share: progress("faces", share))


def _recording(timeline: Timeline) -> FileClip | None:
    """None where it has words alone."""
    path = timeline.source.path
    if path is None or is_transcript(Path(path)):
        return None
    if not os.path.isfile(path):
        raise ValueError(
            f"the recording {path} is not there any more, and an explanation needs it; put it back, or "
            "analyse it again where it is now"
        )
    if timeline.source.sha256 not in (None, sha256_of(Path(path))):
        raise ValueError(
            f"the recording {path} is another one than the timeline was made of; analyse it again"
        )
    return FileClip(Path(path))


def _utterance(entry: Entry, recording: FileClip | None) -> Utterance:
    """What the model saw nothing of is missing."""
    clip = recording.window(entry.span.start, entry.span.duration) if recording and entry.span else None
    return Utterance(
        id=entry.id,
        speaker=entry.speaker,
        text=entry.text,
        text_source=entry.text_source,
        words=entry.words,
        clip=clip,
        span=entry.span,
        missing=frozenset(m for m in Modality if m not in entry.modalities),
        warnings=entry.warnings,
    )


def with_explanations(
    timeline: Timeline, found: Sequence[Explanation], looked: Sequence[Attention] = ()
) -> Timeline:
    """The timeline with these; one of the same modality, emotion and method gives way to the newer.

    So does attention to another of what looked the same.
    """
    fresh: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        fresh.setdefault(one.utterance, []).extend(one.documents())
    for one in looked:
        fresh.setdefault(one.utterance, []).append(one.document())

    def merged(entry: Entry) -> Entry:
        new = fresh.get(entry.id, [])
        keys = {_key(document) for document in new}
        kept = [old for old in entry.explanations if _key(old) not in keys]
        return replace(entry, explanations=(*kept, *new))

    return replace(timeline, utterances=tuple(merged(entry) for entry in timeline.utterances))


def _key(document: Any) -> tuple[Any, ...]:
    return tuple(document.get(name) for name in ("modality", "emotion", "method", "looks"))


def timelines(paths: Sequence[Path]) -> Iterator[Path]:
    """The timelines that are named, or lie somewhere in folders that are.

    Raises:
        ValueError: there is none.
    """
    for path in paths:
        inside = sorted(path.rglob("timeline.json")) if path.is_dir() else [path]
        if not inside:
            raise ValueError(f"there is no timeline.json in {path}; make one with `affectline analyze`")
        yield from inside
