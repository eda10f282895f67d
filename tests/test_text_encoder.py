"""The one-stage encoder of MultiEMO 3.3.1: what it reads, and the checkpoints it is loaded from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from network_makers import WORDS, tiny_roberta
from transformers import RobertaConfig, RobertaModel

from affectline.features import extract
from affectline.features.text_windows import Windows
from affectline.nn.text_encoder import TextEncoder, load_encoder, load_pieces
from affectline.types import Conversation, Utterance

TALK = Conversation(
    "talk",
    tuple(
        Utterance(id=str(n), speaker=name, text=words)
        for n, (name, words) in enumerate(
            [("Ada", "one two"), ("Ben", "three"), ("Ada", "four five"), ("Ben", None), ("Ada", "six")]
        )
    ),
)


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_roberta(tmp_path_factory.mktemp("tiny-roberta"))


def read(windows: Windows, index: int) -> str:
    """What is read of an utterance, as words."""
    (row,) = extract([TALK], [windows])
    return " ".join(WORDS[n] for n in row[index]["text.windows"])


def test_an_utterance_is_read_between_its_past_and_its_future_as_emoberta_has_it(roberta: Path) -> None:
    assert read(Windows(str(roberta)), 2) == (
        "<s> Ada : one two Ben : three </s> </s> Ada : four five </s> </s> Ada : six </s>"
    )
    assert read(Windows(str(roberta)), 0).startswith("<s> </s> </s> Ada : one two </s> </s> Ben : three")
    assert read(Windows(str(roberta)), 3) == ""  # nothing was said


def test_what_is_around_is_taken_outwards_until_there_is_no_room(roberta: Path) -> None:
    own = "Ada : four five"
    assert read(Windows(str(roberta), limit=13), 2) == f"<s> Ben : three </s> </s> {own} </s> </s> </s>"
    assert read(Windows(str(roberta), limit=12), 2) == f"<s> </s> </s> {own} </s> </s> </s>"
    assert read(Windows(str(roberta), limit=9), 2) == "<s> </s> </s> Ada : four </s> </s> </s>"


def test_past_and_future_can_be_left_out(roberta: Path) -> None:
    assert read(Windows(str(roberta), past=0), 2) == (
        "<s> </s> </s> Ada : four five </s> </s> Ada : six </s>"
    )
    assert read(Windows(str(roberta), past=1, future=0), 2) == (
        "<s> Ben : three </s> </s> Ada : four five </s> </s> </s>"
    )


def test_minilm_reads_windows_with_its_own_marks() -> None:
    (row,) = extract([replace(TALK, utterances=TALK.utterances[:2])], [Windows()])
    assert load_pieces("minilm").decode(row[1]["text.windows"].tolist(), skip_special_tokens=False) == (
        "[CLS] ada : one two [SEP] ben : three [SEP] [SEP]"
    )


def test_what_is_kept_of_a_window_is_the_state_of_its_first_piece(roberta: Path) -> None:
    (row,) = extract([TALK], [Windows(str(roberta))])
    encoder = TextEncoder(str(roberta)).eval()
    arrays = [u["text.windows"] for u in row]
    longest = max(map(len, arrays))
    pieces = torch.from_numpy(np.stack([np.pad(a, (0, longest - len(a))) for a in arrays]))[None]
    mask = (torch.arange(longest) < torch.tensor([[len(a)] for a in arrays]))[None]
    with torch.no_grad():
        out = encoder(pieces, mask)
        for n, array in enumerate(arrays):
            if not len(array):
                torch.testing.assert_close(out[0, n], torch.zeros(16))
                continue
            states = encoder.encoder(input_ids=torch.from_numpy(array)[None]).last_hidden_state
            torch.testing.assert_close(out[0, n], states[0, 0], rtol=1e-4, atol=1e-5)


def test_the_weights_are_those_of_the_folder(roberta: Path) -> None:
    found, saved = load_encoder(str(roberta)), RobertaModel.from_pretrained(roberta, add_pooling_layer=False)
    assert not found.training
    for name, value in saved.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value)


def test_roberta_base_has_the_keys_and_shapes_that_are_published() -> None:
    config = RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    with torch.device("meta"):
        shapes = {
            n: tuple(p.shape) for n, p in RobertaModel(config, add_pooling_layer=False).named_parameters()
        }
    layer = {
        "attention.self.query": (768, 768),
        "attention.self.key": (768, 768),
        "attention.self.value": (768, 768),
        "attention.output.dense": (768, 768),
        "attention.output.LayerNorm": (768,),
        "intermediate.dense": (3072, 768),
        "output.dense": (768, 3072),
        "output.LayerNorm": (768,),
    }
    expected = {
        "embeddings.word_embeddings.weight": (50265, 768),
        "embeddings.position_embeddings.weight": (514, 768),
        "embeddings.token_type_embeddings.weight": (1, 768),
        "embeddings.LayerNorm.weight": (768,),
        "embeddings.LayerNorm.bias": (768,),
        **{f"encoder.layer.{n}.{k}.weight": s for n in range(12) for k, s in layer.items()},
        **{f"encoder.layer.{n}.{k}.bias": s[:1] for n in range(12) for k, s in layer.items()},
    }
    assert shapes == expected
    assert sum(np.prod(s) for s in shapes.values()) == 124_055_040


@pytest.mark.parametrize("load", [load_encoder, load_pieces])
def test_emoberta_is_refused_and_a_wrong_path_is_named(load: object) -> None:
    assert callable(load)
    with pytest.raises(ValueError, match="test parts"):
        load("tae898/emoberta-base")
    with pytest.raises(ValueError, match="no/such/folder"):
        load("no/such/folder")
