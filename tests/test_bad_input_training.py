"""What a user can get wrong with corpora, settings and trainings: what the message says, and how it ends."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conversation_makers import LABELS, talks
from corpus_makers import made_meld, made_mosi

from affectline.checkpoint import load
from affectline.cli import main
from affectline.corpora import synthetic
from affectline.corpora.synthetic import Pointer
from affectline.models import infer
from affectline.models.amuse import AMuSE
from affectline.models.amuse import Config as AmuseConfig
from affectline.models.multiemo import Config, MultiEMO
from affectline.types import Conversation

MELD = "meld/train_sent_emo.csv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made_meld(tmp_path / "meld")
    made_mosi(tmp_path / "mosi")
    return tmp_path


def command(capfd: pytest.CaptureFixture[str], root: Path, *words: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main([*map(str, words), "--root", str(root), "--device", "cpu"])
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    return code, said.out, said.err


def toy(capfd: pytest.CaptureFixture[str], root: Path, *words: object) -> tuple[int, str]:
    code, _, said = command(capfd, root, "train", "multiemo.synthetic", *words, "--out", root / "run")
    return code, said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Emotion", "Feeling", "lacks the columns ['Emotion']"),
        ("joy", "bliss", "line 3: the emotion 'bliss' is none of"),
        (None, "", "has no utterance in its part 'train'"),
        (None, None, "no MELD at"),
    ],
    ids=["column", "label", "no rows", "no corpus"],
)
def test_a_bad_corpus_is_refused_before_anything_is_trained(
    root: Path, capfd: pytest.CaptureFixture[str], old: str | None, new: str | None, said: str
) -> None:
    table = root / MELD
    text = table.read_text()
    if old is not None and new is not None:
        table.write_text(text.replace(old, new, 1))
    elif new is None:
        table.unlink()
    else:
        table.write_text(text.splitlines()[0] + "\n")
    code, _, error = command(capfd, root, "train", "multiemo.meld_text", "--out", root / "run")
    assert code == 1
    assert said in error
    assert not (root / "run").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("train.lr=1", "Train has no 'lr'; it has epochs, batch, learning_rate"),
        ("train.schedule=linear", "schedule is one of cosine, steps, plateau"),
        ("train.optimizer=sgd", "optimizer is one of adam, adamw"),
        ("train.epochs=0", "epochs is 0, but must be over 0"),
        ("train.every=0", "every is 0, but must be over 0"),
        ("train.warmup=1.0", "warmup is 1.0, but must be a share"),
        ("select=f2", "select is 'f2'; there are map, accuracy, uar, weighted_f1"),
    ],
)
def test_a_setting_that_cannot_be_is_wrong_use(
    root: Path, capfd: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    code, error = toy(capfd, root, change)
    assert code == 2
    assert said in error


def test_a_feature_that_is_not_a_number_is_refused_by_the_name_of_its_utterance(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Pointer.__call__

    def spoilt(self: Pointer, items: Sequence[tuple[Conversation, int]]) -> list[np.ndarray]:
        arrays = call(self, items)
        arrays[1] = arrays[1] * np.nan
        return arrays

    monkeypatch.setattr(Pointer, "__call__", spoilt)
    code, error = toy(capfd, root)
    assert code == 1
    assert "made a NaN or an infinity for 'train0.1'" in error


def test_a_corpus_that_has_nothing_of_a_stream_is_refused(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Pointer.content
    monkeypatch.setattr(
        Pointer, "content", lambda self, c, n: None if "voice" in self.stream else content(self, c, n)
    )
    code, error = toy(capfd, root)
    assert code == 1
    assert "has anything of audio.voice: are its clips where they belong?" in error


def test_a_gradient_that_is_not_finite_ends_the_training_with_the_way_out(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, error = toy(capfd, root, "train.learning_rate=1e30", "train.warmup=0.0")
    assert code == 1
    assert "not finite any more in epoch 1: lower train.learning_rate" in error


def test_what_cannot_go_on_or_be_judged_is_named(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, error = toy(capfd, root, "train.epochs=1")
    assert code == 0, error
    code, error = toy(capfd, root, "config.dim=32", "--resume")
    assert code == 1
    assert "last.pt is damaged or of another training (weight 'contexts." in error
    (root / "run" / "last.pt").write_bytes(b"not what torch writes")
    code, error = toy(capfd, root, "--resume")
    assert code == 1
    assert "last.pt is damaged: begin anew, without --resume" in error
    code, _, error = command(capfd, root, "evaluate", root / "run", "mosi")
    assert code == 1
    assert "the checkpoint answers neutral, joy, anger; the corpus has none of these" in error
    code, out, error = command(capfd, root, "evaluate", root / "run", "meld", "--markdown")
    assert code == 0, error
    with (root / "meld" / "test_sent_emo.csv").open(newline="") as file:
        shared = [r for r in csv.DictReader(file) if r["Emotion"] in ("neutral", "joy", "anger")]
    assert 0 < len(shared) < 15
    assert f"by label, {len(shared)} utterances" in out
    found = load(root / "run")
    silent, (talk, *_) = Conversation("1", ()), synthetic.read(None, "test")
    assert [len(row) for row in found.predict([silent, talk, silent])] == [0, len(talk), 0]
    assert found.predict([silent]) == [[]]


@pytest.mark.parametrize("name", ["multiemo", "amuse"])
def test_a_conversation_of_5000_utterances_is_answered_and_does_not_change_those_beside_it(name: str) -> None:
    torch.manual_seed(0)
    streams = {"text.words": 8, "audio.voice": 12}
    if name == "multiemo":  # a DialogueRNN as long is in tests/test_dialogue_rnn.py
        sizes = Config(classes=7, streams=streams, dim=8, heads=1, layers=1, hidden=8, head=8, recurrent=())
        model = MultiEMO(sizes)
    else:
        model = AMuSE(
            AmuseConfig(classes=7, streams=streams, dim=8, attention=1, heads=1, layers=1, context=4)
        )
    conversations, features = talks((5000, 1, 2))
    together = infer(model, conversations, features, LABELS).logits
    assert np.isfinite(together).all()
    assert np.ptp(together[:5000], axis=0).min() > 1e-3  # its utterances are told apart
    alone = [infer(model, [conversations[n]], [features[n]], LABELS).logits for n in (1, 2)]
    np.testing.assert_allclose(together[5000:], np.concatenate(alone), atol=1e-4)
