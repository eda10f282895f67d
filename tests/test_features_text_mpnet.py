"""The stream "text.mpnet", on tiny networks saved in the format of the published one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from network_makers import MPNET, tiny_mpnet
from transformers import MPNetConfig, MPNetForMaskedLM, MPNetModel

from affectline.features import extract, text_mpnet
from affectline.features.text_mpnet import MPNet
from affectline.nn import pretrained
from affectline.types import Conversation, Utterance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_mpnet(tmp_path_factory.mktemp("mpnet"))


def words(folder: Path, *texts: str | None, limit: int = 512) -> list[np.ndarray]:
    talk = Conversation("c", tuple(Utterance(id=f"{n}", speaker="A", text=t) for n, t in enumerate(texts)))
    return [f["text.mpnet"] for f in extract([talk], [MPNet(weights=str(folder), limit=limit)])[0]]


def test_pieces_have_the_published_numbers(folder: Path):
    ids, word = text_mpnet._read(text_mpnet._tokenizer(str(folder), 512), "I'm UNHAPPY. <mask> Café 日本")
    assert ids.tolist() == [0, 2000, 2001, 2002, 2003, 2004, 2007, 30526, 2008, 104, 104, 2]
    assert word.tolist() == [0, 0, 0, 1, 1, 1, 2, 3, 4, 4]


def test_a_word_is_the_mean_of_its_pieces(folder: Path):
    [states] = words(folder, "I'm  unhappy.")
    network = MPNetForMaskedLM.from_pretrained(folder).base_model.eval()
    with torch.inference_mode():
        pieces = network(torch.tensor([[0, 2000, 2001, 2002, 2003, 2004, 2007, 2]])).last_hidden_state[0]
    expected = torch.stack([pieces[1:4].mean(dim=0), pieces[4:7].mean(dim=0)])
    np.testing.assert_allclose(states, expected.numpy(), atol=1e-5)


def test_a_text_is_read_the_same_among_longer_ones(folder: Path):
    texts = ["well well", "so very unhappy, very very so.", "i", "so " * 40]
    for together, text in zip(words(folder, *texts), texts, strict=True):
        assert len(together) == len(text.split())
        np.testing.assert_allclose(together, words(folder, text)[0], atol=1e-5)


def test_what_lies_behind_the_limit_is_not_there(folder: Path):
    assert [len(s) for s in words(folder, "so very well", "well unhappy", limit=4)] == [2, 2]
    assert len(words(folder, "so " * 600)[0]) == text_mpnet.LONGEST - 2
    with pytest.raises(ValueError, match="3 to 512 word pieces, got limit=513"):
        MPNet(limit=513)


@pytest.mark.parametrize("text", [None, "", " \n", "\x00 \x00"])
def test_no_words_are_missing_words(folder: Path, text: str | None):
    assert words(folder, text)[0].shape == (0, 768)


def test_the_positions_and_the_padding_are_the_published_ones():
    assert MPNET["pad_token_id"] == text_mpnet.PAD
    assert MPNET["max_position_embeddings"] - text_mpnet.PAD - 1 == text_mpnet.LONGEST
    assert MPNet.shape == (MPNET["hidden_size"],)


def test_the_published_network_has_these_weights_and_no_others():
    with torch.device("meta"):
        network = MPNetModel(MPNetConfig(**MPNET), add_pooling_layer=False)
    layer = {
        **{f"attention.attn.{n}.weight": (768, 768) for n in "qkvo"},
        **{f"attention.attn.{n}.bias": (768,) for n in "qkvo"},
        "attention.LayerNorm.weight": (768,),
        "attention.LayerNorm.bias": (768,),
        "intermediate.dense.weight": (3072, 768),
        "intermediate.dense.bias": (3072,),
        "output.dense.weight": (768, 3072),
        "output.dense.bias": (768,),
        "output.LayerNorm.weight": (768,),
        "output.LayerNorm.bias": (768,),
    }
    expected = {
        "embeddings.word_embeddings.weight": (30527, 768),
        "embeddings.position_embeddings.weight": (514, 768),
        "embeddings.LayerNorm.weight": (768,),
        "embeddings.LayerNorm.bias": (768,),
        "encoder.relative_attention_bias.weight": (32, 12),
        **{f"encoder.layer.{n}.{name}": shape for n in range(12) for name, shape in layer.items()},
    }
    assert {name: tuple(w.shape) for name, w in network.state_dict().items()} == expected


def test_other_weights_in_the_same_folder_are_other_features(folder: Path, tmp_path: Path):
    talk = Conversation("c", (Utterance(id="u", speaker="A", text="well"),))
    weights = tmp_path / pretrained.WEIGHTS
    weights.write_bytes(b"one")
    first = MPNet(str(tmp_path)).content(talk, 0)
    weights.write_bytes(b"other")
    assert first != MPNet(str(tmp_path)).content(talk, 0) != MPNet(str(folder)).content(talk, 0)
