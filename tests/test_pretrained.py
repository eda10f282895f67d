import json
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from transformers import ResNetConfig, ResNetForImageClassification, ResNetModel

from affectline.nn import pretrained


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(tmp_path)
    return tmp_path


def test_the_weights_of_a_network_that_was_saved_with_its_head_are_its_own(folder: Path):
    network = pretrained.load(ResNetModel, str(folder))
    saved = load_file(folder / "model.safetensors")
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, saved[f"resnet.{name}"])
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_loading_draws_no_random_numbers(folder: Path):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    pretrained.load(ResNetModel, str(folder))
    assert torch.equal(torch.rand(1), expected)


def test_a_missing_and_a_misshapen_weight_are_named(folder: Path):
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = "resnet.embedder.embedder.convolution.weight"
    for wrong in ({name: weights[name][:, :1].contiguous()}, {}):
        save_file({n: w for n, w in weights.items() if n != name} | wrong, path)
        with pytest.raises(ValueError, match=r"1 are missing .*'embedder\.embedder\.convolution\.weight'"):
            pretrained.load(ResNetModel, str(folder))


def test_another_network_is_refused(folder: Path):
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="holds a network 'bert'; 'resnet' is needed"):
        pretrained.load(ResNetModel, str(folder))


def test_a_folder_without_safetensors_is_refused(folder: Path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no model\.safetensors; it takes a folder with config\.json"):
        pretrained.load(ResNetModel, str(folder))


def test_a_name_is_asked_of_the_hub(folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, str | None]] = []

    def fetch(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        assert allow_patterns == ["config.json", "model.safetensors"]
        asked.append((repository, revision))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    pretrained.load(ResNetModel, "somebody/resnet")
    pretrained.load(ResNetModel, "somebody/resnet@0a1b")
    assert asked == [("somebody/resnet", None), ("somebody/resnet", "0a1b")]


def test_without_network_the_error_says_what_to_give(monkeypatch: pytest.MonkeyPatch):
    def unreachable(repository: str, **_: object) -> str:
        raise LocalEntryNotFoundError(f"cannot reach {repository}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ValueError, match=r"'somebody/resnet' is no folder.*give a folder with config\.json"):
        pretrained.load(ResNetModel, "somebody/resnet")


def test_a_path_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="'no/such/folder' is no folder here"):
        pretrained.load(ResNetModel, "no/such/folder")
