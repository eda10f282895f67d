"""Streams of vectors from the branches of trained late fusions, and checkpoints that bring their encoders."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from affectline.batch import collate
from affectline.checkpoint import Checkpoint, load, save
from affectline.checkpoint.vectors import SIZE, Vectors
from affectline.features import Extractor, extract
from affectline.features.audio_mel import Mel
from affectline.features.ready import Ready
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces, seen_whole
from affectline.media import MemoryClip
from affectline.models.emoje import Config as JointConfig
from affectline.models.emoje import EmoJE
from affectline.models.late_fusion import Config, LateFusion
from affectline.types import EMOTIONS, Conversation, LabelSpace, Modality, Utterance

LABELS = LabelSpace(EMOTIONS, multilabel=True)
MEL = Mel()
KINDS: dict[str, tuple[Modality, int, Extractor, Config, Callable[[nn.Module], nn.Module]]] = {
    "text": (Modality.TEXT, 384, Tokens(), Config(classes=7, text=2), lambda b: b.head[-1]),  # pyright: ignore
    "audio": (Modality.AUDIO, 40, MEL, Config(classes=7, audio=4), lambda b: b.net.head),  # pyright: ignore
    "face": (Modality.VIDEO, 20, Faces(48, whole=True), Config(classes=7, face=4), lambda b: b.net.head),  # pyright: ignore
    "ready": (
        *(Modality.AUDIO, 256, Ready("audio.voice", 5)),
        Config(classes=7, vectors={"audio.voice": 5}),
        lambda b: b.head[-1],  # pyright: ignore
    ),
}
"""Of each kind of branch: its modality, its width, what it reads, its sizes, and its last layer."""


def talk(turns: int = SIZE + 3) -> Conversation:
    """Utterances of different lengths; in some there is nothing at all."""
    rng = np.random.default_rng(0)
    said = []
    for n in range(turns):
        pictures = rng.integers(0, 256, (1 + n % 4, 48, 48, 3), dtype=np.uint8)
        sound = rng.uniform(-0.1, 0.1, 2000 + 900 * (n % 5)).astype(np.float32)
        there = n % 7 != 3
        said.append(
            Utterance(
                id=f"u{n}",
                speaker="AB"[n % 2],
                text=" ".join(["so", "what", "is", "that"][: 1 + n % 4]) if there else None,
                clip=MemoryClip(sound, 16_000, pictures, 5.0) if there else None,
                ready={"audio.voice": rng.normal(size=5).astype(np.float32)} if there else {},
                emotions=frozenset({EMOTIONS[n % 7]}),
            )
        )
    return Conversation("talk", tuple(said))


def saved(kind: str, folder: Path) -> Vectors:
    """A trained branch of this kind in a folder, and the extractor by it."""
    modality, width, source, config, _ = KINDS[kind]
    torch.manual_seed(0)
    model = LateFusion(config)
    for layer in model.modules():  # as after a training: at its start a norm lets nothing through
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.2, 0.4)
    save(Checkpoint("made", model.eval(), LABELS, (source,), {}), folder)
    return Vectors(str(folder), modality, width, whole=kind == "face")


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Vectors]:
    return request.param, saved(request.param, tmp_path_factory.mktemp("encoders") / request.param)


@torch.no_grad()
def test_the_last_layer_on_the_vector_says_what_the_branch_says(trained: tuple[str, Vectors]) -> None:
    kind, vectors = trained
    modality, width, source, _, last = KINDS[kind]
    found = load(vectors.checkpoint)
    assert isinstance(found.model, LateFusion)
    (row,) = extract([talk()], [vectors])
    (raw,) = extract([talk()], [source])
    said = found.model(collate([talk()], [raw], LABELS)).by_modality[modality][0]
    there = [n for n, u in enumerate(row) if len(u[vectors.stream])]
    assert there == [n for n in range(len(talk())) if n % 7 != 3]
    assert {u[vectors.stream].shape for u in row} == {(0, width), (1, width)}
    seen = torch.from_numpy(np.concatenate([row[n][vectors.stream] for n in there]))
    assert seen.std(dim=0).max() > 1e-3
    again = last(found.model.branch(modality)[1])(seen)
    torch.testing.assert_close(again, said[there], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_calibrated_answer_of_the_branch_may_follow(trained: tuple[str, Vectors], tmp_path: Path) -> None:
    kind, vectors = trained
    modality, width, source, *_ = KINDS[kind]
    found = load(vectors.checkpoint)
    assert isinstance(found.model, LateFusion)
    found.model.calibrate(modality, [1.5] * 7, list(np.linspace(-1, 1, 7)))
    save(found, tmp_path)
    (row,) = extract([talk()], [replace(vectors, checkpoint=str(tmp_path), width=width + 7, answers=True)])
    (plain,), (raw,) = (extract([talk()], [e]) for e in (vectors, source))
    said = found.model(collate([talk()], [raw], LABELS)).by_modality[modality][0].numpy()
    there = [n for n, u in enumerate(plain) if len(u[vectors.stream])]
    both, first = (np.concatenate([r[n][vectors.stream] for n in there]) for r in (row, plain))
    np.testing.assert_allclose(both[:, :width], first, atol=1e-5)
    np.testing.assert_allclose(both[:, width:], said[there], atol=1e-4, rtol=1e-4)
    assert row[3][vectors.stream].shape == (0, width + 7)


def test_an_utterance_has_the_same_vector_whoever_is_beside_it(trained: tuple[str, Vectors]) -> None:
    _, vectors = trained
    (together,) = extract([talk()], [vectors])
    for n in (0, 1, 4, SIZE + 2):
        ((alone,),) = extract([replace(talk(), utterances=talk().utterances[n : n + 1])], [vectors])
        np.testing.assert_allclose(alone[vectors.stream], together[n][vectors.stream], atol=2e-5)


def test_what_the_network_would_read_is_lost_and_so_is_the_vector(trained: tuple[str, Vectors]) -> None:
    kind, vectors = trained
    modality, width, source, *_ = KINDS[kind]
    for lost in (modality, vectors.stream, source.stream):
        (row,) = extract([talk(3).without(lost)], [vectors])
        assert [u[vectors.stream].shape for u in row] == [(0, width)] * 3


def test_faces_are_looked_for_in_pictures_of_people_whatever_the_branch_has_learnt_on(tmp_path: Path) -> None:
    whole = saved("face", tmp_path)
    assert whole.content(talk(), 0)
    (people,) = seen_whole([whole], False)
    assert people == replace(whole, whole=False)
    assert people.content(talk(), 0) is None  # nobody tracked a face
    assert seen_whole([people, Tokens(), Faces(48)]) == (whole, Tokens(), Faces(48, whole=True))


def test_what_was_made_by_other_weights_or_settings_is_not_taken_for_the_same(tmp_path: Path) -> None:
    one, other = saved("audio", tmp_path / "a"), saved("audio", tmp_path / "b")
    found = load(tmp_path / "b")
    assert one.content(talk(), 0) == other.content(talk(), 0)
    for name, change in (("c", {"extractors": (Mel(high=7000.0),)}), ("d", {"model": found.model})):
        if name == "d":
            nn.init.ones_(found.model.branches["audio"].network.net.attend.weight)  # pyright: ignore
        save(replace(found, **change), tmp_path / name)
        assert Vectors(str(tmp_path / name), Modality.AUDIO, 40).content(talk(), 0) != one.content(talk(), 0)


def of_vectors(folder: Path) -> Checkpoint:
    """A model of dialogues in a folder that holds its encoders."""
    encoders = tuple(saved(kind, folder / kind) for kind in ("face", "audio"))
    torch.manual_seed(1)
    widths = {e.stream: e.width for e in encoders}
    model = EmoJE(JointConfig(classes=7, streams=widths, dim=8, heads=2, layers=1, context=8, joint=4))
    made = Checkpoint("made", model.eval(), LABELS, encoders, {})
    save(made, folder)
    return made


def test_a_checkpoint_that_moved_with_its_encoders_answers_the_same(tmp_path: Path) -> None:
    made = of_vectors(tmp_path / "here")
    before = made.predict([talk()])
    assert load(tmp_path / "here").extractors == made.extractors
    (tmp_path / "else").mkdir()
    shutil.move(tmp_path / "here", tmp_path / "else" / "there")
    moved = load(tmp_path / "else" / "there")
    assert [e.checkpoint for e in moved.extractors] == [  # pyright: ignore[reportAttributeAccessIssue]
        str(tmp_path / "else" / "there" / kind) for kind in ("face", "audio")
    ]
    for a, b in zip(chain(*before), chain(*moved.predict([talk()])), strict=True):
        assert list(a.scores.values()) == pytest.approx(list(b.scores.values()), abs=1e-6)
        assert set(a.by_modality) == set(b.by_modality)


def test_progress_is_told_within_a_conversation_stream_after_stream(tmp_path: Path) -> None:
    told: list[float] = []
    of_vectors(tmp_path).predict([talk(), talk()], progress=told.append)
    assert told == pytest.approx([0.25, 0.5, 0.5, 0.75, 1.0, 1.0])


def test_an_encoder_that_lies_elsewhere_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encoder = saved("audio", Path("runs/voice"))
    for path in ("runs/voice", "./runs/voice", str(tmp_path / "runs" / "voice")):
        made = load(encoder.checkpoint)
        save(replace(made, extractors=(replace(encoder, checkpoint=path),)), Path("runs/whole"))
        (found,) = load("runs/whole").extractors
        assert found == replace(encoder, checkpoint=Path(path).as_posix())
    save(replace(made, extractors=(Vectors("base", Modality.TEXT, 384),)), Path())
    assert load(tmp_path).extractors == (Vectors("base", Modality.TEXT, 384),)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no folder", r"lacks the folder \./audio, by which Vectors reads; copy it again"),
        ("altered weights", r"gives no audio\.vector: .*is not the file"),
        ("no such branch", r"gives no video\.vector: the late fusion has no branch for video; it has audio"),
        ("no late fusion", r"gives no audio\.vector: it is a EmoJE, and a LateFusion is needed"),
    ],
)
def test_a_damaged_encoder_is_refused_with_the_way_out(tmp_path: Path, damage: str, message: str) -> None:
    of_vectors(tmp_path)
    if damage == "no folder":
        shutil.rmtree(tmp_path / "audio")
    elif damage == "altered weights":
        content = bytearray((tmp_path / "audio" / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (tmp_path / "audio" / "model.safetensors").write_bytes(content)
    folder = tmp_path if damage == "no late fusion" else tmp_path / "audio"
    modality = Modality.VIDEO if damage == "no such branch" else Modality.AUDIO
    with pytest.raises(ValueError, match=message):  # noqa: PT012 - when loaded, or when used
        load(tmp_path)
        Vectors(str(folder), modality, 40).content(talk(1), 0)


def test_an_encoder_that_was_exchanged_is_noticed(tmp_path: Path) -> None:
    of_vectors(tmp_path)
    other = load(tmp_path / "audio")
    with torch.no_grad():
        next(other.model.parameters()).add_(1.0)
    save(other, tmp_path / "audio")
    with pytest.raises(ValueError, match=r"is not what .* was made with"):
        load(tmp_path)
