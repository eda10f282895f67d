"""What a model saw of a conversation answers again for fewer modalities, as if it were analysed anew."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from test_checkpoint_vectors import LABELS, talk

from affectline.abstention import EVIDENCE, Abstention
from affectline.analyze.subsets import by_modalities
from affectline.checkpoint import Checkpoint
from affectline.checkpoint import seen as seen_module
from affectline.checkpoint.seen import Seen, answered
from affectline.features import Extractor
from affectline.features.audio_mel import Mel
from affectline.features.even_windows import EvenWindows
from affectline.features.ready import Ready
from affectline.features.video_faces import Faces
from affectline.models.emoje import Config as JointConfig
from affectline.models.emoje import EmoJE
from affectline.models.late_fusion import Config, LateFusion
from affectline.timeline import NOTHING, Source, Timeline
from affectline.types import EMOTIONS, Conversation, Modality, Prediction

SUBSETS = [some for n in (1, 2, 3) for some in combinations(Modality, n)]
READY = {f"{m}.voice": 5 for m in Modality}
THRESHOLDS = {"audio": (0.4,) * 7, "audio+video": (0.6,) * 7}
RULE = Abstention((0.1,) * len(EVIDENCE), -1.0)


def dialogue() -> Conversation:
    """Ready-made vectors of each modality, here and there one that is missing."""
    rng = np.random.default_rng(1)
    utterances = []
    for n, u in enumerate(talk(9)):
        vectors = {s: rng.normal(size=5).astype(np.float32) for k, s in enumerate(READY) if n % 4 != k}
        utterances.append(replace(u, ready=vectors, speaker="ABC"[n % 3], clip=None))
    return Conversation("talk", tuple(utterances))


def checkpoint(model: torch.nn.Module, extractors: Sequence[Extractor], **settings) -> Checkpoint:
    with torch.no_grad():
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    return Checkpoint(
        "made", model.eval(), LABELS, tuple(extractors), THRESHOLDS, abstention=RULE, sha256="ab", **settings
    )


def joint() -> Checkpoint:
    torch.manual_seed(0)
    model = EmoJE(JointConfig(classes=7, streams=READY, dim=8, heads=2, layers=1, context=4, joint=8))
    return checkpoint(model, [Ready(s, w) for s, w in READY.items()])


def fused(windows: EvenWindows | None = None) -> Checkpoint:
    torch.manual_seed(0)
    model = LateFusion(Config(classes=7, audio=4, face=4))
    return checkpoint(model, [Mel(), Faces(48, whole=True)], windows=windows)


MADE = {
    "joint": (joint, dialogue),
    "fused": (fused, lambda: talk(9)),
    "windows": (lambda: fused(EvenWindows(3, 0.2)), lambda: talk(9)),
}


def alike(found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
        assert (a.emotions, a.modalities, a.abstained) == (b.emotions, b.modalities, b.abstained)
        assert a.by_modality.keys() == b.by_modality.keys()
        for m, scores in a.by_modality.items():
            assert scores == pytest.approx(b.by_modality[m], abs=1e-5)


@pytest.mark.parametrize("kind", MADE)
def test_every_subset_is_answered_as_by_an_analysis_of_it(kind: str, tmp_path: Path) -> None:
    made, conversation = (make() for make in MADE[kind])
    predictions, seen = answered(made, conversation)
    alike(predictions, made.predict([conversation])[0])
    assert seen is not None
    seen.write(tmp_path / "seen")
    again = Seen.read(tmp_path / "seen")
    speakers = [u.speaker for u in conversation]
    said = {some: again.predict(made, speakers, some) for some in SUBSETS}
    for some, found in said.items():
        lost = [m for m in Modality if m not in some]
        alike(found, made.predict([conversation.without(*lost)])[0])
    assert any(p.abstained for row in said.values() for p in row)
    assert not all(p.abstained for row in said.values() for p in row)
    assert len({row[1].scores["joy"] for row in said.values()}) > 2


def test_speakers_that_were_corrected_count() -> None:
    made, conversation = joint(), dialogue()
    _, seen = answered(made, conversation)
    assert seen is not None
    one = replace(conversation, utterances=tuple(replace(u, speaker="A") for u in conversation))
    found = seen.predict(made, ["A"] * 9, tuple(Modality))
    alike(found, made.predict([one])[0])
    assert found[3].scores != pytest.approx(made.predict([conversation])[0][3].scores, abs=1e-5)


class RawMel(Mel):
    stored = False


@pytest.mark.parametrize(("mel", "most"), [(RawMel(), seen_module.MOST), (Mel(), 1000)])
def test_raw_and_large_streams_of_a_whole_model_are_not_kept(
    mel: Mel, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(seen_module, "MOST", most)
    model = EmoJE(JointConfig(classes=7, streams={"audio.mel": 64}, dim=8, heads=2, layers=1, context=4))
    predictions, seen = answered(checkpoint(model, [mel]), talk(3))
    assert len(predictions) == 3
    assert seen is None


def timeline(made: Checkpoint, predictions: Sequence[Prediction], conversation: Conversation) -> Timeline:
    about = {"name": made.name, "sha256": made.sha256}
    return Timeline.of(
        conversation,
        predictions,
        source=Source("talk.mp4"),
        labels=EMOTIONS,
        checkpoint=about,
        settings={"modalities": ["audio", "video"]},
        warnings=("not used, as asked: text",),
    )


def test_a_timeline_by_fewer_modalities_says_so() -> None:
    made, conversation = fused(), talk(9)
    predictions, seen = answered(made, conversation)
    assert seen is not None
    whole = timeline(made, predictions, conversation)
    sound = by_modalities(whole, made, seen, [Modality.AUDIO])
    assert {u.modalities for u in sound.utterances} == {(Modality.AUDIO,), ()}
    assert sound.settings["modalities"] == ["audio"]
    assert sound.thresholds == dict.fromkeys(EMOTIONS, 0.4) or not sound.thresholds
    assert [NOTHING in u.warnings for u in sound.utterances] == [not u.modalities for u in sound.utterances]
    assert [(u.id, u.text, u.speaker) for u in sound.utterances] == [
        (u.id, u.text, u.speaker) for u in whole.utterances
    ]
    assert by_modalities(sound, made, seen, [Modality.AUDIO]).utterances == sound.utterances
    with pytest.raises(ValueError, match="text; the analysis used audio, video: ask for"):
        by_modalities(whole, made, seen, [Modality.TEXT, Modality.AUDIO])
    with pytest.raises(ValueError, match="another one by now"):
        by_modalities(whole, replace(made, sha256="cd"), seen, [Modality.AUDIO])


def test_what_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    _, seen = answered(fused(), talk(2))
    assert seen is not None
    seen.write(tmp_path / "seen")
    (tmp_path / "seen").write_bytes((tmp_path / "seen").read_bytes()[:-9])
    with pytest.raises(ValueError, match="run the analysis again"):
        Seen.read(tmp_path / "seen")
