"""What a checkpoint saw of a conversation, by which it answers again where fewer modalities count."""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from affectline.batch import Features
from affectline.checkpoint import Checkpoint, lengths_of
from affectline.checkpoint.branches import fused
from affectline.features import Array
from affectline.features.ready import Ready
from affectline.files import atomic_write
from affectline.models import Inferred, averaged, first_of, joined, window_by_window
from affectline.models.late_fusion import LateFusion
from affectline.types import Conversation, Modality, Prediction, Utterance, modality_of

VERSION = 1
MOST = 100_000_000  # bytes of streams; models that read more of one conversation are not quick either
SIZE = 64  # conversations that a model sees at once


@dataclass(frozen=True, eq=False)
class Seen:
    """Of one conversation: what is slow to make is made, and no recording is needed any more.

    Of a late fusion it is what each of its branches says (`answers`, where `there`), window by window; of
    other models the streams that they read. `first`: which windows begin an utterance. `lengths`: the time
    steps of each modality, utterance by utterance. `checkpoint`: the sha256 of the weights.
    """

    checkpoint: str
    first: Bool[np.ndarray, " window"]
    lengths: tuple[Mapping[Modality, int], ...]
    answers: Mapping[Modality, Float32[np.ndarray, "window classes"]] = field(default_factory=dict)
    there: Mapping[Modality, Bool[np.ndarray, " window"]] = field(default_factory=dict)
    streams: Mapping[str, tuple[Array, ...]] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those of which anything was seen in any utterance."""
        return tuple(m for m in Modality if any(row.get(m, 0) for row in self.lengths))

    def predict(
        self, checkpoint: Checkpoint, speakers: Sequence[str], modalities: Collection[Modality]
    ) -> list[Prediction]:
        """What the checkpoint says where only these modalities count; `speakers`: of each utterance.

        Raises:
            ValueError: it was seen by another checkpoint, or there are not as many speakers as utterances.
        """
        if self.checkpoint != checkpoint.sha256:
            raise ValueError("the checkpoint is another one by now; run the analysis again")
        if len(speakers) != len(self.lengths):
            raise ValueError(f"{len(speakers)} speakers are named for {len(self.lengths)} utterances")
        if not speakers:
            return []
        if self.answers:
            out = self._fused(checkpoint, modalities)
        else:
            out = self._run(checkpoint, speakers, modalities)
        lengths = [{m: n if m in modalities else 0 for m, n in row.items()} for row in self.lengths]
        return checkpoint.judge(averaged(out, self.first), lengths)

    def _fused(self, checkpoint: Checkpoint, modalities: Collection[Modality]) -> Inferred:
        assert isinstance(checkpoint.model, LateFusion)
        device = next(checkpoint.model.parameters()).device
        said = {m: torch.from_numpy(rows)[None].to(device) for m, rows in self.answers.items()}
        masks = {
            m: torch.from_numpy(rows & (m in modalities))[None].to(device) for m, rows in self.there.items()
        }
        return fused(checkpoint.model, said, masks)

    def _run(
        self, checkpoint: Checkpoint, speakers: Sequence[str], modalities: Collection[Modality]
    ) -> Inferred:
        of = np.cumsum(self.first) - 1  # the utterance of each window
        windows = tuple(
            Utterance(id=str(n), speaker=speakers[int(u)], window=int(not first))
            for n, (u, first) in enumerate(zip(of, self.first, strict=True))
        )
        rows: list[Features] = [
            {s: a[n] if modality_of(s) in modalities else a[n][:0] for s, a in self.streams.items()}
            for n in range(len(windows))
        ]
        whole = Conversation("seen", windows)
        talks = [whole] if checkpoint.model.context else [replace(whole, utterances=(w,)) for w in windows]
        features = [rows] if checkpoint.model.context else [[row] for row in rows]
        return window_by_window(checkpoint.model, talks, features, checkpoint.labels, size=SIZE)

    def write(self, path: Path) -> None:
        """Write it, whole or not at all."""
        from safetensors.numpy import save

        arrays: dict[str, Array] = {"first": self.first}
        for m in Modality:
            arrays[f"lengths/{m}"] = np.array([row.get(m, 0) for row in self.lengths], np.int64)
        arrays |= {f"answers/{m}": rows for m, rows in self.answers.items()}
        arrays |= {f"there/{m}": rows for m, rows in self.there.items()}
        for stream, found in self.streams.items():
            arrays[f"streams/{stream}"] = np.concatenate(found)
            arrays[f"steps/{stream}"] = np.array([len(array) for array in found], np.int64)
        about = {"version": str(VERSION), "checkpoint": self.checkpoint}
        atomic_write(path, save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, metadata=about))

    @classmethod
    def read(cls, path: Path) -> "Seen":
        """Read what `write` wrote.

        Raises:
            ValueError: it is damaged, or of another version.
            OSError: it is not there.
        """
        from safetensors import SafetensorError, safe_open

        path.stat()  # else what is raised is not told apart from damage
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            if about.get("version") != str(VERSION):
                raise ValueError(f"it has version {about.get('version')}, this reads {VERSION}")
            lengths = {m: arrays[f"lengths/{m}"].tolist() for m in Modality}
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(
                f"what the model saw cannot be read ({error}); run the analysis again"
            ) from error
        rows = zip(*lengths.values(), strict=True)
        streams = [name.removeprefix("streams/") for name in arrays if name.startswith("streams/")]
        return cls(
            checkpoint=about["checkpoint"],
            first=arrays["first"],
            lengths=tuple(dict(zip(Modality, row, strict=True)) for row in rows),
            answers=_of_modalities(arrays, "answers"),
            there=_of_modalities(arrays, "there"),
            streams={s: _pieces(arrays[f"streams/{s}"], arrays[f"steps/{s}"]) for s in streams},
        )


def _of_modalities(arrays: Mapping[str, Array], group: str) -> dict[Modality, Array]:
    return {m: arrays[f"{group}/{m}"] for m in Modality if f"{group}/{m}" in arrays}


def _pieces(array: Array, steps: Int64[np.ndarray, " window"]) -> tuple[Array, ...]:
    return tuple(np.split(array, np.cumsum(steps)[:-1])) if len(steps) else ()


def answered(
    checkpoint: Checkpoint,
    conversation: Conversation,
    *,
    memo: MutableMapping[str, Array] | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[list[Prediction], Seen | None]:
    """As `Checkpoint.predict`, and what was seen; None where that is not kept.

    Kept is what each branch of a late fusion says, and for other models the streams that they read, where all
    of these may be stored (no words, no faces, no sound as it is) and are not large.
    """
    fused = isinstance(checkpoint.model, LateFusion)
    kept = fused or all(e.stored or isinstance(e, Ready) for e in checkpoint.extractors)
    parts: list[Inferred] = []
    windows: list[Conversation] = []
    features: list[list[Features]] = []
    lengths: list[dict[Modality, int]] = []
    for seen, found, out in checkpoint.answers([conversation], memo=memo, progress=progress):
        parts.append(out)
        windows += seen
        features += found if kept and not fused else ()
        lengths += lengths_of(seen, found)
    if not parts:
        return [], None
    whole, first = joined(parts), first_of(windows)
    predictions = checkpoint.judge(averaged(whole, first), lengths)
    if not kept:
        return predictions, None
    about = Seen(checkpoint.sha256, first, tuple(lengths))
    if fused:
        return predictions, replace(about, answers=whole.by_modality, there=whole.present)
    rows = [row for talk in features for row in talk]
    streams = {e.stream: tuple(np.asarray(row[e.stream]) for row in rows) for e in checkpoint.extractors}
    size = sum(array.nbytes for arrays in streams.values() for array in arrays)
    return predictions, replace(about, streams=streams) if size <= MOST else None


def together(parts: Sequence[Seen]) -> Seen:
    """Several conversations, seen by one checkpoint, as one: one after the other."""
    first = parts[0]
    return Seen(
        first.checkpoint,
        np.concatenate([part.first for part in parts]),
        tuple(row for part in parts for row in part.lengths),
        {m: np.concatenate([part.answers[m] for part in parts]) for m in first.answers},
        {m: np.concatenate([part.there[m] for part in parts]) for m in first.there},
        {s: tuple(array for part in parts for array in part.streams[s]) for s in first.streams},
    )
