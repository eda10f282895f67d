import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from model_makers import LABELS, conversations_with_features

from affectline import checkpoint as checkpoints
from affectline.abstention import EVIDENCE, Abstention
from affectline.batch import collate
from affectline.checkpoint import EXTRACTORS, Checkpoint, lengths, load, save, subset, trained
from affectline.checkpoint.vectors import Vectors
from affectline.corpora.synthetic import Pointer
from affectline.features import Extractor
from affectline.features.audio_mel import Mel
from affectline.features.ready import Ready
from affectline.features.text_encoded import Encoded
from affectline.features.text_tokens import Tokens
from affectline.features.video_faces import Faces
from affectline.models.late_fusion import Config, LateFusion
from affectline.types import Modality


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    model = LateFusion(Config(classes=7, text=4, audio=8, face=8)).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return Checkpoint(
        name="tiny",
        model=model,
        labels=LABELS,
        extractors=(Tokens(), Mel(), Faces(size=48)),
        thresholds={"audio+text+video": (0.5,) * 7, "text": (0.4,) * 7},
        abstention=Abstention((0.1,) * len(EVIDENCE), -0.2),
        about={"data": ["none"]},
    )


@pytest.fixture
def folder(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    save(checkpoint, tmp_path / "tiny")
    return tmp_path / "tiny"


@torch.no_grad()
def test_a_checkpoint_that_was_saved_and_loaded_gives_the_same_numbers(
    checkpoint: Checkpoint, folder: Path
) -> None:
    batch = collate(*conversations_with_features(3), LABELS)
    found = load(folder)
    torch.testing.assert_close(found.model(batch).logits, checkpoint.model(batch).logits)
    assert found.thresholds == checkpoint.thresholds
    assert found.abstention == checkpoint.abstention
    assert found.extractors == checkpoint.extractors
    assert len(found.sha256) == 64


def test_minilm_itself_is_not_in_the_file(checkpoint: Checkpoint, folder: Path) -> None:
    assert not any("word_embeddings" in name for name in trained(checkpoint.model))
    assert (folder / "model.safetensors").stat().st_size < 3_000_000


def test_half_precision_changes_scores_by_little(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save(checkpoint, tmp_path / "half", half=True)
    conversations, features = conversations_with_features(4)
    whole = checkpoint.decode(conversations, features)
    half = load(tmp_path / "half").decode(conversations, features)
    for a, b in zip(whole, half, strict=True):
        np.testing.assert_allclose(list(a.scores.values()), list(b.scores.values()), atol=5e-3)
    assert (tmp_path / "half" / "model.safetensors").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("no weights", "lacks model.safetensors"),
        ("altered weights", "is not the file"),
        ("no config", "no checkpoint"),
        ("text as config", "damaged"),
        ("unknown model", "newer affectline"),
        ("other shapes", "does not fit"),
        ("unknown extractor", "needs the extractor"),
    ],
)
def test_a_damaged_checkpoint_is_refused_with_the_way_out(folder: Path, damage: str, message: str) -> None:
    config = json.loads((folder / "config.json").read_text())
    if damage == "no weights":
        (folder / "model.safetensors").unlink()
    elif damage == "altered weights":
        content = bytearray((folder / "model.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "model.safetensors").write_bytes(content)
    elif damage == "no config":
        (folder / "config.json").unlink()
    elif damage == "text as config":
        (folder / "config.json").write_text("not json")
    else:
        change = {
            "unknown model": {"model": "os.system"},
            "other shapes": {"config": {**config["config"], "audio": 16}},
            "unknown extractor": {"extractors": [{"name": "Unheard"}]},
        }[damage]
        (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_thresholds_are_those_of_the_modalities_that_are_there(checkpoint: Checkpoint) -> None:
    conversations, features = conversations_with_features(6)
    words = [[{s: a if s == "text.tokens" else a[:0] for s, a in u.items()} for u in row] for row in features]
    for given, threshold in ((features, 0.5), (words, 0.4)):
        for prediction in checkpoint.decode(conversations, given):
            assert prediction.emotions == {e for e, p in prediction.scores.items() if p >= threshold}


def test_only_modalities_that_are_there_have_scores_of_their_own(checkpoint: Checkpoint) -> None:
    conversations, features = conversations_with_features(2)
    silent = [[{s: a[:0] if s == "audio.mel" else a for s, a in u.items()} for u in row] for row in features]
    for prediction in checkpoint.decode(conversations, silent):
        assert set(prediction.by_modality) == {Modality.TEXT, Modality.VIDEO}


def test_lengths_are_of_the_longest_stream_of_each_modality() -> None:
    features = {
        "audio.mel": np.zeros((7, 64)),
        "audio.egemaps": np.zeros((1, 88)),
        "text.tokens": np.zeros(3),
    }
    assert lengths(features) == {Modality.AUDIO: 7, Modality.TEXT: 3}
    assert subset([Modality.TEXT, Modality.AUDIO]) == subset([Modality.AUDIO, Modality.TEXT]) == "audio+text"


def test_every_extractor_comes_back_as_it_was_without_its_weights():
    made: list[Extractor] = [Pointer("text.points", 8), Ready("audio.published", 73), Encoded("runs/words")]
    made.append(Vectors("runs/voice", Modality.AUDIO, 240))
    others = set(EXTRACTORS.values()) - {type(e) for e in made}
    made += [kind() for kind in others]  # pyright: ignore[reportCallIssue]
    for extractor in made:
        assert isinstance(extractor, Extractor), extractor
        settings = json.loads(json.dumps({"name": type(extractor).__name__, **asdict(extractor)}))  # pyright: ignore
        assert repr(checkpoints._extractor(settings)) == repr(extractor)
    assert len({extractor.stream for extractor in made}) == len(made)
