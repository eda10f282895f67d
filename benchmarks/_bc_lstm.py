"""bc-LSTM (Poria et al. 2017): all streams side by side, one LSTM over the conversation, both ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from affectline.batch import Batch, Features
from affectline.nn.context import DialogueContext
from affectline.nn.standardise import Standardise, fit_streams
from affectline.types import Modality, modality_of


@dataclass(frozen=True, kw_only=True)
class Config:
    classes: int
    streams: Mapping[str, int]
    hidden: int = 128
    dropout: float = 0.3


@dataclass(frozen=True)
class Output:
    logits: Tensor
    present: Mapping[Modality, Tensor]
    by_modality: Mapping[Modality, Tensor] = field(default_factory=dict)


class BcLSTM(nn.Module):
    context = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.standardise = nn.ModuleDict(
            {modality_of(s): Standardise(width) for s, width in config.streams.items()}
        )
        self.streams = tuple(config.streams)
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = DialogueContext(sum(config.streams.values()), config.hidden, layers=1)
        self.classify = nn.Linear(2 * config.hidden, config.classes)

    def fit(self, train: Sequence[Sequence[Features]]) -> None:
        fit_streams({s: self.standardise[modality_of(s)] for s in self.streams}, train, pooled=True)

    def forward(self, batch: Batch) -> Output:
        present = {modality_of(s): batch.present(s) & batch.mask for s in self.streams}
        parts = [
            self.standardise[modality_of(s)](batch.pooled(s)) * present[modality_of(s)][..., None]
            for s in self.streams
        ]
        states = self.lstm(self.dropout(torch.cat(parts, dim=2)), batch.mask)
        return Output(self.classify(self.dropout(states)), present)


def objective(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    real = batch.mask & batch.known.all(dim=2)
    labels = batch.targets[real].argmax(dim=1)
    return {"ce": nn.functional.cross_entropy(model(batch).logits[real], labels)}
