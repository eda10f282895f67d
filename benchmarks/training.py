"""One training epoch of MultiEMO at its paper's size, on made-up features in the shape of MELD's train part.

`python -m benchmarks.training` writes docs/results/training.json: seconds for an epoch (six layers, 256
wide, batches of 100 dialogues, DialogueRNN forward only as in the release), what its parts take, and how
many utterances a second are answered. The dialogues have the lengths of MELD's.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from benchmarks._record import parser, record
from torch import nn

from affectline.batch import Features
from affectline.corpora import meld
from affectline.epochs import Shuffled
from affectline.losses import class_weights, sample_weighted_focal_contrastive
from affectline.models import infer
from affectline.models.multiemo import Config, MultiEMO, Objective
from affectline.types import Conversation

STREAMS = {"text.roberta": 768, "audio.compare": 512, "video.vggface": 1000}
RELEASE = 41.0  # seconds of an epoch of the authors' release on two cores, by DESIGN.md


def made_up(conversations: Sequence[Conversation]) -> list[list[Features]]:
    rng = np.random.default_rng(0)
    return [
        [{s: rng.normal(size=(1, width)).astype(np.float32) for s, width in STREAMS.items()} for _ in c]
        for c in conversations
    ]


def timed(module: nn.Module, spent: dict[str, float], name: str) -> None:
    """Add the time of a module's forward pass to `spent[name]`."""
    forward = module.forward

    def measured(*inputs: object) -> object:
        began = time.perf_counter()
        out = forward(*inputs)
        spent[name] = spent.get(name, 0.0) + time.perf_counter() - began
        return out

    module.forward = measured


def epoch(model: MultiEMO, objective: Objective, batches: Shuffled) -> float:
    """Seconds that one pass with its updates takes."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    model.train()
    began = time.perf_counter()
    for batch in batches(0):
        loss = sum(objective(model, batch).values(), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def once(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def swfc_loop(z: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """SWFC sample by sample, as Eqs. 18-19 read."""
    z = nn.functional.normalize(z, dim=1)
    total = z.new_zeros(())
    for i in range(len(z)):
        others = torch.arange(len(z)) != i
        log_s = (z[others] @ z[i] / 0.8).log_softmax(dim=0)[labels[others] == labels[i]]
        if len(log_s):
            total = total - weights[labels[i]] * ((1 - log_s.exp()) ** 2 * log_s).mean()
    return total / len(z)


def main(data: Path) -> dict[str, object]:
    conversations = meld.read(data / "meld", "train")
    features = made_up(conversations)
    torch.manual_seed(0)
    config = Config(classes=7, streams=STREAMS, bidirectional=False, head=512)
    model, objective = MultiEMO(config), Objective(counts=(4710, 1743, 683, 1109, 1205, 268, 271))
    batches = Shuffled(conversations, features, meld.LABELS, size=100, seed=0)
    epoch(model, objective, batches)  # warm
    seconds = min(epoch(model, objective, batches) for _ in range(3))
    spent: dict[str, float] = {}
    for name in ("contexts", "fuse"):
        for module in getattr(model, name).values():
            timed(module, spent, name)
    epoch(model, objective, batches)
    collating = once(lambda: list(batches(0)))
    said = sum(map(len, conversations))
    answering = once(lambda: infer(model, conversations, features, meld.LABELS))
    z, labels = torch.randn(1000, 256), torch.randint(0, 7, (1000,))
    weights = class_weights(torch.bincount(labels), power=0.8)
    loop = once(lambda: swfc_loop(z, labels, weights))
    ours = once(lambda: sample_weighted_focal_contrastive(z, labels, weights, temperature=0.8, focus=2.0))
    torch.testing.assert_close(
        swfc_loop(z, labels, weights),
        sample_weighted_focal_contrastive(z, labels, weights, temperature=0.8, focus=2.0),
    )
    return {
        "epoch_s": seconds,
        "times_the_release": RELEASE / seconds,
        "utterances": said,
        "parameters": sum(p.numel() for p in model.parameters()),
        "forward_context_s": spent["contexts"],
        "forward_fusion_s": spent["fuse"],
        "collating_s": collating,
        "answered_per_s": said / answering,
        "swfc_1000_ms": {"vectorised": 1000 * ours, "loop": 1000 * loop},
    }


if __name__ == "__main__":
    arguments = parser(__doc__ or "").parse_args()
    results = main(arguments.data)
    record("training", results)
    print(results)
