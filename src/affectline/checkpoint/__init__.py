"""A trained model on disk: a folder with config.json, model.safetensors and a model card; never pickle."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import softmax
from torch import Tensor, nn

from affectline.abstention import Abstention, evidence
from affectline.batch import Features
from affectline.checkpoint.vectors import Vectors
from affectline.corpora.synthetic import Pointer
from affectline.features import Array, Extractor, extract
from affectline.features.audio_mel import Mel
from affectline.features.audio_passt import PaSST
from affectline.features.audio_samples import Samples
from affectline.features.even_windows import EvenWindows
from affectline.features.opensmile import ComParE, EGeMAPS
from affectline.features.ready import Ready
from affectline.features.text_encoded import Encoded
from affectline.features.text_minilm import MiniLM
from affectline.features.text_mpnet import MPNet
from affectline.features.text_tokens import Tokens
from affectline.features.text_turns import Turns
from affectline.features.text_windows import Windows
from affectline.features.text_words import Words
from affectline.features.video_aus import ActionUnits
from affectline.features.video_c3d import Motion
from affectline.features.video_expression import Expression
from affectline.features.video_faces import Faces
from affectline.features.video_frames import Pixels
from affectline.features.video_scene import Scene
from affectline.features.video_visextnet import VisExtNet
from affectline.files import atomic_write
from affectline.models import MODELS, Inferred, averaged, first_of, infer, window_by_window
from affectline.shipped import installed
from affectline.types import Conversation, LabelSpace, Modality, Prediction, modality_of

FORMAT = 1
TEXT = (Tokens, Turns, Windows, Encoded, MiniLM, MPNet, Words)
AUDIO = (Mel, EGeMAPS, ComParE, PaSST, Samples)
VIDEO = (Faces, Pixels, Expression, VisExtNet, Motion, ActionUnits, Scene)
EXTRACTORS = {e.__name__: e for e in (*TEXT, *AUDIO, *VIDEO, Vectors, Ready, Pointer)}
Platt = tuple[tuple[float, ...], tuple[float, ...]]
"""The scale and the bias of the logit of each label."""
CHUNK = 4  # utterances in memory at once, with their sound and pictures


@dataclass(frozen=True)
class Checkpoint:
    """A model and all that is needed to use it on conversations.

    `thresholds`: one per label, for each set of modalities that may be there (keys as `subset` makes them);
    none where one label alone holds. `temperature`: what single-label logits are divided by before their
    softmax (Guo et al. 2017). `calibration`: the scale and the bias of each label's logit (Platt 1999), for
    each set of modalities, and for each modality's own answer (keys as `alone` makes them); none where one
    label alone holds, or where a multi-label model calibrates its own. `windows`: what is seen of long
    utterances, where that is not one window; all of the above was fitted on the same.
    `about`: what config.json says beyond that: recipe, data, languages, licence, versions.
    """

    name: str
    model: nn.Module
    labels: LabelSpace
    extractors: tuple[Extractor, ...]
    thresholds: Mapping[str, tuple[float, ...]]
    temperature: float = 1.0
    calibration: Mapping[str, Platt] = field(default_factory=dict)
    abstention: Abstention | None = None
    windows: EvenWindows | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    def to(self, device: torch.device | str) -> "Checkpoint":
        return replace(self, model=self.model.to(device))

    def predict(
        self,
        conversations: Sequence[Conversation],
        *,
        memo: MutableMapping[str, Array] | None = None,
        progress: Callable[[float], None] = lambda _share: None,
    ) -> list[list[Prediction]]:
        """Predictions for every utterance of every conversation.

        A model without context sees a few utterances at a time, so that an hour of video never is in memory,
        unless there is a `memo`: as in `extract`.
        """
        flat = [
            p
            for windows, features, out in self.answers(conversations, memo=memo, progress=progress)
            for p in self.judge(averaged(out, first_of(windows)), lengths_of(windows, features))
        ]
        rest = iter(flat)
        return [list(islice(rest, len(c))) for c in conversations]

    def answers(
        self,
        conversations: Sequence[Conversation],
        *,
        memo: MutableMapping[str, Array] | None = None,
        progress: Callable[[float], None] = lambda _share: None,
    ) -> Iterator[tuple[list[Conversation], list[list[Features]], Inferred]]:
        """A few utterances at a time: the windows that the model sees, their features, and its answers."""
        spoken = [c for c in conversations if len(c)]
        pieces = spoken if self.model.context else [p for c in spoken for p in _pieces(c)]
        size = 1 if self.model.context else CHUNK
        for start in range(0, len(pieces), size):
            chunk = pieces[start : start + size]
            seen = [w for c in chunk for w in self.windows(c)] if self.windows else chunk

            def told(stream: str, done: int, todo: int, start: int = start, size: int = len(chunk)) -> None:
                share = (self._streams.index(stream) + done / max(1, todo)) / len(self._streams)
                progress((start + size * share) / len(pieces))

            features = extract(seen, self.extractors, memo=memo, progress=told)
            yield seen, features, window_by_window(self.model, seen, features, self.labels, size=CHUNK)
            progress((start + len(chunk)) / len(pieces))

    @property
    def _streams(self) -> list[str]:
        return [e.stream for e in self.extractors]

    def decode(
        self, conversations: Sequence[Conversation], features: Sequence[Sequence[Features]]
    ) -> list[Prediction]:
        """Predictions from features, conversation after conversation."""
        out = infer(self.model, conversations, features, self.labels, size=CHUNK)
        return self.judge(out, lengths_of(conversations, features))

    def judge(self, out: Inferred, found: Sequence[Mapping[Modality, int]]) -> list[Prediction]:
        """Predictions from logits and the lengths of what each utterance has."""
        present = [[m for m in out.present if out.present[m][i]] for i in range(len(out.logits))]
        subsets = [subset(there) for there in present]
        scores = self._probabilities(out.logits, subsets)
        by_modality = {
            m: self._probabilities(logits, [alone(m)] * len(logits)) for m, logits in out.by_modality.items()
        }
        predictions: list[Prediction] = []
        for i, (row, there, key) in enumerate(zip(scores, present, subsets, strict=True)):
            emotions = self.labels.decode(row, self.thresholds.get(key, 0.5)) if there else frozenset()
            by_mode = {m: self._named(by_modality[m][i]) for m in there if m in by_modality}
            predictions.append(Prediction(self._named(row), emotions, by_mode, tuple(there)))
        if self.abstention is None:
            return predictions
        rows = np.stack([evidence(p, n) for p, n in zip(predictions, found, strict=True)])
        return [
            replace(p, abstained=bool(a)) for p, a in zip(predictions, self.abstention(rows), strict=True)
        ]

    def thresholds_of(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Those of the modalities that were there, where these are the same in every utterance."""
        found = {self.thresholds.get(subset(p.modalities)) for p in predictions}
        values = found.pop() if len(found) == 1 else None
        return dict(zip(self.labels.names, values, strict=True)) if values else {}

    def _probabilities(self, logits: np.ndarray, keys: Sequence[str]) -> np.ndarray:
        """`keys`: by which each row is calibrated."""
        if self.labels.multilabel:
            return 1 / (1 + np.exp(-calibrated(logits, keys, self.calibration)))
        return softmax(logits / self.temperature, axis=1)

    def _named(self, scores: np.ndarray) -> dict[str, float]:
        return {name: float(score) for name, score in zip(self.labels.names, scores, strict=True)}


def subset(modalities: Iterable[Modality]) -> str:
    """The name of a set of modalities: "audio+text". No modality at all has no thresholds: 0.5 holds."""
    return "+".join(sorted(modalities))


def alone(modality: Modality) -> str:
    """The name of what a modality says by itself."""
    return f"{modality} alone"


def calibrated(
    logits: Float[np.ndarray, "utterance classes"], keys: Sequence[str], calibration: Mapping[str, Platt]
) -> Float[np.ndarray, "utterance classes"]:
    """Each row by the scale and the bias of its key; as it is where there are none."""
    same = ((1.0,) * logits.shape[1], (0.0,) * logits.shape[1])
    platt = np.array([calibration.get(key, same) for key in keys], logits.dtype).reshape(
        -1, 2, logits.shape[1]
    )
    return logits * platt[:, 0] + platt[:, 1]


def lengths(features: Features) -> dict[Modality, int]:
    """How many time steps each modality has: of its longest stream."""
    found: dict[Modality, int] = {}
    for stream, array in features.items():
        modality = modality_of(stream)
        found[modality] = max(found.get(modality, 0), len(array))
    return found


def lengths_of(
    conversations: Sequence[Conversation], features: Sequence[Sequence[Features]]
) -> list[dict[Modality, int]]:
    """Of every utterance, conversation after conversation; of several windows that of the longest."""
    found: list[dict[Modality, int]] = []
    for utterance, array in zip(chain(*conversations), chain(*features), strict=True):
        long = lengths(array)
        found.append({m: max(n, long[m]) for m, n in found.pop().items()} if utterance.window else long)
    return found


def save(checkpoint: Checkpoint, folder: Path, *, half: bool = False, card: str = "") -> None:
    """Write a checkpoint; with `half`, matrices and kernels are stored as 16-bit floats."""
    from safetensors.torch import save as to_bytes

    model_name = next(name for name, (model, _) in MODELS.items() if type(checkpoint.model) is model)
    tensors = {n: _stored(t, half) for n, t in trained(checkpoint.model).items()}
    weights = to_bytes(tensors)
    config = {
        "format": FORMAT,
        "name": checkpoint.name,
        "model": model_name,
        "config": asdict(checkpoint.model.config),  # pyright: ignore[reportArgumentType]
        "labels": list(checkpoint.labels.names),
        "multilabel": checkpoint.labels.multilabel,
        "extractors": [_settings(e, folder) for e in checkpoint.extractors],
        "thresholds": {k: [round(t, 4) for t in row] for k, row in checkpoint.thresholds.items()},
        "temperature": checkpoint.temperature,
        "calibration": checkpoint.calibration,
        "abstention": asdict(checkpoint.abstention) if checkpoint.abstention else None,
        "windows": asdict(checkpoint.windows) if checkpoint.windows else None,
        "about": dict(checkpoint.about),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / "model.safetensors", weights)
    atomic_write(folder / "config.json", json.dumps(config, indent=1) + "\n")
    if card:
        atomic_write(folder / "README.md", card)


def load(name: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Load a checkpoint that is installed, by name, or one in a folder.

    Raises:
        ValueError: if there is none, or its files are incomplete, altered, or of a newer format.
    """
    folder = installed().get(str(name), Path(name))
    config = _config(folder)
    weights = _read(folder, "model.safetensors")
    found = hashlib.sha256(weights).hexdigest()
    if found != config["weights_sha256"]:
        raise ValueError(
            f"{folder / 'model.safetensors'} is not the file that config.json was written with "
            f"(sha256 {found[:12]}..., expected {config['weights_sha256'][:12]}...); copy it again"
        )
    rule, windows = config["abstention"], config.get("windows")
    return Checkpoint(
        name=config["name"],
        model=_model(config, weights, folder).to(device).eval(),
        labels=LabelSpace(tuple(config["labels"]), config["multilabel"]),
        extractors=tuple(_extractor(_found(settings, folder)) for settings in config["extractors"]),
        thresholds={k: tuple(row) for k, row in config["thresholds"].items()},
        temperature=config.get("temperature", 1.0),
        calibration={k: (tuple(a), tuple(b)) for k, (a, b) in config.get("calibration", {}).items()},
        abstention=Abstention(**{**rule, "weights": tuple(rule["weights"])}) if rule else None,
        windows=EvenWindows(**windows) if windows else None,
        about=config["about"],
        sha256=found,
    )


def trained(model: nn.Module) -> dict[str, Tensor]:
    """The state of a model without what it borrowed ready-made (prefixes in `borrowed`) and never changed."""
    borrowed: tuple[str, ...] = getattr(model, "borrowed", ())
    return {
        name: value.detach()
        for name, value in model.state_dict().items()
        if not name.startswith(borrowed) or name.endswith((".up", ".down"))
    }


def load_trained(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what `trained` gave.

    Raises:
        ValueError: if the names or the shapes are not those of the model.
    """
    own = trained(model)
    if set(own) != set(state):
        odd = sorted(set(own) ^ set(state))
        raise ValueError(f"{len(odd)} weights are missing or unknown, such as {odd[0]!r}")
    for name, value in state.items():
        if own[name].shape != value.shape:
            raise ValueError(
                f"weight {name!r} has shape {tuple(value.shape)}, the model wants {tuple(own[name].shape)}"
            )
        own[name].copy_(value)


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"no checkpoint {str(folder)!r}: neither a folder with config.json nor one of "
            f"{sorted(installed())}"
        )
    try:
        config = json.loads(_read(folder, "config.json"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{folder / 'config.json'} is damaged ({error}); copy the checkpoint again"
        ) from error
    if not isinstance(config, dict) or config.get("format") != FORMAT or config.get("model") not in MODELS:
        raise ValueError(
            f"{folder / 'config.json'} is not a checkpoint of format {FORMAT} with a model out of "
            f"{sorted(MODELS)}; a newer affectline may read it"
        )
    return config


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(f"the checkpoint {folder} lacks {name} ({error.strerror}); copy it again") from error


def _model(config: Mapping[str, Any], weights: bytes, folder: Path) -> nn.Module:
    from safetensors.torch import load as from_bytes

    network, settings = MODELS[config["model"]]
    sizes = {k: tuple(v) if isinstance(v, list) else v for k, v in config["config"].items()}
    model = network(settings(**sizes))
    try:
        load_trained(model, from_bytes(weights))
    except ValueError as error:
        raise ValueError(f"{folder / 'model.safetensors'} does not fit its config.json: {error}") from error
    return model


def _settings(extractor: Extractor, folder: Path) -> dict[str, Any]:
    """Of an extractor; a checkpoint of its own inside the folder is written as seen from there."""
    settings: dict[str, Any] = {"name": type(extractor).__name__, **asdict(extractor)}  # pyright: ignore
    if "checkpoint" in settings and settings["checkpoint"] not in installed():
        path, here = (Path(os.path.realpath(p)) for p in (settings["checkpoint"], folder))
        if not path.is_relative_to(here):
            return settings | {"checkpoint": Path(settings["checkpoint"]).as_posix()}
        settings["checkpoint"] = f"./{path.relative_to(here).as_posix()}"
        settings["weights_sha256"] = _config(path)["weights_sha256"]
    return settings


def _found(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of an extractor with the path to a checkpoint inside the folder."""
    inner = str(settings.get("checkpoint", ""))
    if not inner.startswith("./"):
        return dict(settings)
    settings = dict(settings)
    expected = settings.pop("weights_sha256")
    if not (folder / inner / "config.json").is_file():
        raise ValueError(
            f"the checkpoint {folder} lacks the folder {inner}, by which {settings['name']} reads; copy it "
            "again, with all that is in it"
        )
    if _config(folder / inner)["weights_sha256"] != expected:
        raise ValueError(
            f"{folder / inner} is not what {folder} was made with: its weights are others; copy both again"
        )
    return {**settings, "checkpoint": str(folder / inner)}


def _extractor(settings: dict[str, Any]) -> Extractor:
    name = settings.pop("name")
    if name not in EXTRACTORS:
        raise ValueError(
            f"the checkpoint needs the extractor {name!r}; this version has {sorted(EXTRACTORS)}"
        )
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    if "modality" in fields:
        fields["modality"] = Modality(fields["modality"])
    return EXTRACTORS[name](**fields)


def _pieces(conversation: Conversation) -> list[Conversation]:
    return [replace(conversation, utterances=(u,)) for u in conversation]
