"""Networks of transformers with weights from a folder or from the hub, in safetensors, never in a pickle."""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def files_of(source: str, names: Sequence[str] = (CONFIG, WEIGHTS)) -> Path:
    """The folder with these files: `source` itself, else the local copy of a repository of the hub.

    Args:
        source: a folder; or a name on the hub, as it is now or, after an @, at a commit: "owner/name@commit".
        names: of the files.

    Raises:
        ValueError: `source` is neither, or a file is not there.
    """
    folder = Path(source) if Path(source).is_dir() else _fetched(source, names)
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise ValueError(f"{source!r} has no {', '.join(absent)}; it takes a folder with {', '.join(names)}")
    return folder


def _fetched(source: str, names: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, commit = source.partition("@")
    try:
        return Path(snapshot_download(repository, revision=commit or None, allow_patterns=list(names)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{source!r} is no folder here and could not be fetched from the hub ({error}); "
            f"give a folder with {', '.join(names)}"
        ) from error


def fingerprint(source: str) -> str:
    """What tells weights from others in the same place: their sha256; a name on the hub stands for itself."""
    weights = Path(source) / WEIGHTS if Path(source).is_dir() else Path(source)
    return _sha256(weights, weights.stat().st_mtime_ns) if weights.is_file() else source


@lru_cache
def _sha256(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(kind: type[Network], source: str, **settings: bool) -> Network:
    """A new copy of a network with the weights of `source`, in evaluation mode and frozen.

    Weights that it does not have, such as those of a head, are left out.

    Args:
        kind: the network's class, one of transformers'.
        source: a folder, or a name on the hub, as `files_of` takes it.
        settings: for the class, beside the config.

    Raises:
        ValueError: the files are not there, are those of another network, or lack a weight.
    """
    folder = files_of(source)
    configs, prefix = kind.config_class, f"{kind.base_model_prefix}."  # pyright: ignore
    found = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("model_type")
    if found != configs.model_type:
        raise ValueError(f"{source!r} holds a network {found!r}; {configs.model_type!r} is needed")
    config = configs.from_pretrained(folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]):  # the first weights are random, which must not show outside
        network = kind(config, **settings)
    weights = {n.removeprefix(prefix): w for n, w in load_file(folder / WEIGHTS).items()}
    own = network.state_dict()
    wrong = [n for n, w in own.items() if n not in weights or weights[n].shape != w.shape]
    if wrong:
        raise ValueError(
            f"{source!r} has not the weights of its config.json: {len(wrong)} are missing or have another "
            f"shape, such as {wrong[0]!r}; copy or convert the model again"
        )
    network.load_state_dict({n: weights[n] for n in own})
    return network.eval().requires_grad_(False)
