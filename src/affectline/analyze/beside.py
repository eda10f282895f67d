"""Several checkpoints on one utterance, side by side, as in AMuSE's figure 2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from affectline.analyze.explaining import Explainer, Progress, Wanted, with_explanations
from affectline.checkpoint import Checkpoint
from affectline.explain import find
from affectline.timeline import Entry, Timeline, judged
from affectline.types import Conversation, Modality, Prediction


@dataclass(frozen=True)
class Beside:
    """What one of them says: the utterance with its answer and explanations, or the reason why not."""

    name: str
    entry: Entry | None
    notes: tuple[str, ...] = field(default=())


def beside(
    checkpoints: Sequence[tuple[str, Checkpoint, tuple[Modality, ...]]],
    timeline: Timeline,
    conversation: Conversation,
    utterance: str,
    wanted: Wanted,
    *,
    begin: Callable[[str], None] = lambda _name: None,
    progress: Progress = lambda _what, _share: None,
) -> list[Beside]:
    """Each checkpoint by its name, with the modalities that it is left; with none named, all of them.

    `timeline`: of the conversation, by any checkpoint. What each one holds, else its strongest emotion, is
    explained where none is asked for. One that cannot say anything gives its reason.

    Raises:
        ValueError: no utterance has this id.
        ImportError: the extra "explain" is not installed.
    """
    index = find(conversation, utterance)
    entry = next(u for u in timeline.utterances if u.id == utterance)
    found: list[Beside] = []
    for name, checkpoint, kept in checkpoints:
        begin(name)
        lost = [m for m in Modality if kept and m not in kept]
        talk = conversation.without(*lost) if lost else conversation
        notes: list[str] = []
        try:
            explainer = Explainer(checkpoint, talk)
            (answers,) = explainer.asked([talk])
            if not answers[index].modalities:
                raise ValueError("it sees nothing of this utterance")
            explanations = explainer.explain(utterance, wanted, progress=progress, note=notes.append)
        except ValueError as error:
            found.append(Beside(name, None, (str(error),)))
            continue
        labels = checkpoint.labels.names
        own = replace(
            timeline, labels=labels, thresholds={}, utterances=(_answered(entry, answers[index], labels),)
        )
        (explained,) = with_explanations(own, explanations, explainer.watched(utterance)).utterances
        found.append(Beside(name, explained, tuple(notes)))
    return found


def _answered(entry: Entry, said: Prediction, labels: Sequence[str]) -> Entry:
    """The utterance with this answer, and without what explained another one."""
    return replace(entry, **judged(said, labels), explanations=())
