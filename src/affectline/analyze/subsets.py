"""A timeline again, by fewer modalities: from what its model saw, without its recording."""

from collections.abc import Collection
from dataclasses import replace

from affectline.checkpoint import Checkpoint
from affectline.checkpoint.seen import Seen
from affectline.timeline import NOTHING, Timeline, judged
from affectline.types import Modality

NOT_USED = "not used, as asked: "


def not_used(modalities: Collection[Modality]) -> tuple[str, ...]:
    """The warning of a timeline that was made with these alone."""
    unused = [m for m in Modality if m not in modalities]
    return (f"{NOT_USED}{', '.join(unused)}",) if unused else ()


def by_modalities(
    timeline: Timeline, checkpoint: Checkpoint, seen: Seen, modalities: Collection[Modality]
) -> Timeline:
    """What an analysis with these modalities alone would say, of words and faces that are found already.

    Speakers are those of the timeline, which may have been corrected. Its explanations are of other answers
    and are left out.

    Raises:
        ValueError: a modality was not used in the timeline, or what was seen is not of it.
    """
    used = [m for m in Modality if m in timeline.settings.get("modalities", list(Modality))]
    lacking = [m for m in modalities if m not in used]
    if lacking or not modalities:
        way_out = "ask for one or more of these, or run it again with others"
        asked = ", ".join(lacking) or "none"
        raise ValueError(f"modalities: {asked}; the analysis used {', '.join(used)}: {way_out}")
    speakers = [entry.speaker for entry in timeline.utterances]
    predictions = seen.predict(checkpoint, speakers, modalities)
    entries = tuple(
        replace(
            entry,
            **judged(prediction, timeline.labels),
            warnings=(
                *(w for w in entry.warnings if w != NOTHING),
                *(() if prediction.modalities else (NOTHING,)),
            ),
            explanations=(),
        )
        for entry, prediction in zip(timeline.utterances, predictions, strict=True)
    )
    said = (w for w in timeline.warnings if not w.startswith(NOT_USED))
    return replace(
        timeline,
        utterances=entries,
        thresholds={n: round(t, 4) for n, t in checkpoint.thresholds_of(predictions).items()},
        warnings=(*said, *(not_used(modalities) if timeline.timed else ())),
        settings={**timeline.settings, "modalities": [str(m) for m in Modality if m in modalities]},
    )
