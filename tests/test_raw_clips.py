"""SeMuL-PCD from files: it learns clips by heart, and answers whatever they lack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from media_makers import make_sound, make_video

from affectline.batch import Batch, collate
from affectline.features import extract
from affectline.features.audio_samples import Samples
from affectline.features.random_views import RandomViews
from affectline.features.text_words import Words
from affectline.features.video_frames import Pixels
from affectline.media import FileClip
from affectline.models.semul_pcd import TINY, Objective, SeMuLPCD
from affectline.types import Clip, Conversation, LabelSpace, Modality, Utterance

LABELS = LabelSpace(("joy", "anger"), multilabel=True)
CONFIG = replace(TINY, classes=2, dropout=0.0)
SECONDS = 1.6
SOUND_AND_PICTURES = (Samples(rate=8_000, seconds=SECONDS), Pixels(size=32, count=8, rate=5.0))
TEXT = ("yes", "no", "why not", "never again", "come in", "go away", "what a day", "it is late")
SHOWN = [frozenset(e for n, e in enumerate(LABELS.names) if number >> n & 1) for number in range(4)] * 2


def said(number: int, clip: Clip, text: str | None) -> Conversation:
    emotions = SHOWN[number]
    return Conversation(
        str(number),
        (Utterance(id=str(number), speaker="A", text=text, clip=clip, emotions=emotions),),
    )


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> list[Conversation]:
    """Eight clips that differ in their words, in their tone and in where a picture is bright."""
    folder, found = tmp_path_factory.mktemp("clips"), []
    for n, text in enumerate(TEXT):
        light = np.kron(np.random.default_rng(n).integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1)))
        path = make_video(
            folder / f"{n}.mp4",
            seconds=SECONDS,
            rate=5,
            size=(32, 32),
            tone=200.0 * (n + 1),
            draw=lambda _n, _size, light=light: light.astype(np.uint8),
        )
        found.append(said(n, FileClip(path), text))
    return found


def batch_of(talks: list[Conversation], train: list[Conversation]) -> Batch:
    words = Words(limit=CONFIG.words, seconds=SECONDS).fitted(train)
    return collate(talks, extract(talks, (words, *SOUND_AND_PICTURES)), LABELS)


def test_eight_clips_are_learnt_by_heart_from_pictures_sound_and_words(talks: list[Conversation]) -> None:
    torch.manual_seed(0)
    model, batch, objective = SeMuLPCD(CONFIG), batch_of(talks, talks), Objective()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(80):
        optimizer.zero_grad()
        torch.stack(list(objective(model, batch).values())).sum().backward()
        optimizer.step()
    with torch.no_grad():
        out = model.eval()(batch)
        assert objective(model, batch)["bce"] < 0.05  # of four branches; it began at 2.8
    assert all(there.all() for there in out.present.values())
    for logits in (out.logits, *out.by_modality.values()):
        assert torch.equal(logits > 0, batch.targets == 1)


WHOLE = frozenset(Modality)
SILENT, UNSEEN, UNSAID = (WHOLE - {m} for m in (Modality.AUDIO, Modality.VIDEO, Modality.TEXT))
KINDS = {
    "short": WHOLE,
    "long": WHOLE,
    "one picture": WHOLE,
    "no sound": SILENT,
    "no picture": UNSEEN,
    "no words": UNSAID,
    "wide": WHOLE,
    "tiny": WHOLE,
    "large and odd": WHOLE,
    "window over the end": WHOLE,
}
"""What a clip lacks or has too much of, and which modalities there are nevertheless."""


def odd(kind: str, folder: Path) -> Conversation:
    seconds = {"short": 0.4, "long": 4.0, "one picture": 0.2}.get(kind, SECONDS)
    size = {"wide": (96, 40), "tiny": (10, 6), "large and odd": (130, 290)}.get(kind, (32, 32))
    tone = None if kind == "no sound" else 440.0
    if kind == "no picture":
        clip = FileClip(make_sound(folder / "odd.wav", seconds=seconds))
    else:
        clip = FileClip(make_video(folder / "odd.mp4", seconds=seconds, rate=5, size=size, tone=tone))
    if kind == "window over the end":
        clip = clip.window(1.2, 9.0)
    return said(0, clip, " ?! " if kind == "no words" else TEXT[0])


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_clip_lacks_it_is_trained_with_and_answered_by_what_it_has(
    kind: str, tmp_path: Path, talks: list[Conversation]
) -> None:
    clip, view = odd(kind, tmp_path), RandomViews(size=32, seconds=SECONDS)
    torch.manual_seed(0)
    model, rng = SeMuLPCD(replace(CONFIG, layers=1)), np.random.default_rng(0)
    seen = batch_of([view(c, rng) for c in (clip, *talks[:2])], talks)
    terms = Objective()(model, seen)
    torch.stack(list(terms.values())).sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    with torch.no_grad():
        alone, together = (model.eval()(batch_of(t, talks)) for t in ([clip], [talks[0], clip]))
    assert {m for m, there in alone.present.items() if there.item()} == KINDS[kind]
    assert alone.logits.isfinite().all()
    torch.testing.assert_close(together.logits[1], alone.logits[0], atol=1e-5, rtol=1e-4)
