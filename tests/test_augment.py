from dataclasses import replace

import pytest
import torch
from model_makers import batch_of

from affectline.batch import Batch, Stream
from affectline.nn.augment import Faces, Gaps, Spectrograms


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_same_seed_gives_the_same_faces_and_another_others() -> None:
    batch = batch_of()
    one, same, other = (Faces()(batch, generator(s)).streams["video.faces"].values for s in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()


def test_faces_without_change_stay_as_they_are() -> None:
    plain = Faces(degrees=0, zoom=0, shift=0, cover=0, gamma=(1.0, 1.0))
    faces = torch.randint(0, 255, (64, 48, 48, 1), dtype=torch.uint8).expand(-1, -1, -1, 3)
    changed = plain.change(faces, generator()).int()
    mirrored = (changed - faces.flip(2).int()).abs().amax(dim=(1, 2, 3)) <= 2
    same = (changed - faces.int()).abs().amax(dim=(1, 2, 3)) <= 2
    assert (mirrored ^ same).all()
    assert mirrored.any()
    assert same.any()


def test_some_faces_are_out_of_focus_and_none_gets_darker() -> None:
    still = {"degrees": 0.0, "zoom": 0.0, "shift": 0.0, "cover": 0.0, "gamma": (1.0, 1.0)}
    faces = torch.randint(0, 255, (64, 48, 48, 1), dtype=torch.uint8).expand(-1, -1, -1, 3)
    plain, some, every = (Faces(blur=share, **still).change(faces, generator()) for share in (0.0, 0.4, 1.0))  # pyright: ignore
    sharp, soft, softest = (x.float().std(dim=(1, 2, 3)) for x in (plain, some, every))
    assert (softest < 0.9 * sharp).all()
    assert 0.2 < (soft < 0.9 * sharp).float().mean() < 0.6
    assert every.float().mean().item() == pytest.approx(plain.float().mean().item(), abs=1)


def test_a_mixture_mixes_targets_as_it_mixes_sounds() -> None:
    batch = batch_of(6)
    mixed = Spectrograms(mix=0.5)(batch, generator(3))
    assert torch.isfinite(mixed.streams["audio.mel"].values).all()
    rows = mixed.targets[batch.mask].sum(dim=1)
    assert ((mixed.targets >= 0) & (mixed.targets <= 1)).all()
    assert rows.max() <= 1 + 1e-5
    assert ((mixed.targets > 0.01) & (mixed.targets < 0.99)).any()


def test_the_voices_of_others_are_put_behind_a_sample_where_it_is_soft_and_never_over_it() -> None:
    still = {"speed": 0.0, "pitch": 0, "tilt": 0.0, "noise": 0.0, "masks": 0}
    mel, mask = torch.zeros(40, 1, 30, 8), torch.ones(40, 1, 30, dtype=torch.bool)
    mel[:, :, ::2] = -6.0  # a gap after every second step
    batch = three_streams(40)
    batch = replace(batch, streams={"audio.mel": Stream(mel + torch.arange(40)[:, None, None, None], mask)})
    plain, among = (
        Spectrograms(babble=share, **still)(batch, generator()).streams["audio.mel"].values  # pyright: ignore
        for share in (0.0, 1.0)
    )
    louder = (among - plain).amax(dim=(1, 2, 3))
    assert (among >= plain - 1e-5).all()
    assert (louder > 0.5).any()
    loud = (among - plain)[
        :, :, 1::2
    ]  # at equal power two sounds are log 2 over one, but they come from anywhere
    assert loud.max() < 1.2
    assert (louder > 0).float().mean() > 0.9


def test_other_streams_are_left_alone() -> None:
    batch = batch_of()
    changed = Spectrograms(mix=0)(batch, generator())
    assert changed.streams["video.faces"] is batch.streams["video.faces"]
    assert (changed.targets == batch.targets).all()
    assert changed.streams["audio.mel"].mask.any(dim=2).equal(batch.mask)


def three_streams(conversations: int = 400) -> Batch:
    """Two utterances in each, four steps of words and of sound in each; every third has a face."""
    values = torch.ones(conversations, 2, 4, 1)
    mask = torch.ones(conversations, 2, 4, dtype=torch.bool)
    face = (torch.arange(conversations) % 3 == 0)[:, None, None].expand(-1, 2, 1)
    streams = {"text.a": Stream(values, mask), "audio.b": Stream(values, mask)}
    streams |= {"video.c": Stream(values[:, :, :1], face)}
    real = torch.ones(conversations, 2, dtype=torch.bool)
    labels = torch.zeros(conversations, 2, 1)
    return Batch(streams, real, real.long(), labels, labels > 0, labels)


def test_gaps_leave_something_of_whatever_was_there_and_add_nothing() -> None:
    batch = three_streams()
    lost = Gaps(streams=1.0, steps=0.5)(batch, generator())
    has = {n: lost.present(n) for n in lost.streams}
    assert torch.stack([*has.values()]).any(dim=0).all()
    for name, stream in lost.streams.items():
        assert not (stream.mask & ~batch.streams[name].mask).any()
        assert torch.equal(stream.values[..., 0] != 0, stream.mask)
    assert lost.streams["video.c"].mask.sum() < batch.streams["video.c"].mask.sum()


def test_as_many_conversations_as_asked_for_lose_streams_and_half_of_them_for_good() -> None:
    batch = three_streams(3000)
    lost = Gaps(streams=0.4, steps=0.0)(batch, generator())
    gone = torch.stack([batch.present(n) & ~lost.present(n) for n in batch.streams], dim=2)
    for_good = gone.all(dim=1).any(dim=1)
    assert 0.19 < for_good.float().mean() < 0.27  # a fifth, and some by chance
    here_or_there = gone.any(dim=2).any(dim=1)
    assert 0.32 < here_or_there.float().mean() < 0.38  # of the others a quarter lose nothing
    assert torch.equal(
        Gaps(streams=0.0, steps=0.0)(batch, generator()).present("audio.b"), batch.present("audio.b")
    )


def test_steps_go_missing_one_by_one_and_never_all_of_a_stream() -> None:
    batch = three_streams()
    lost = Gaps(streams=0.0, steps=0.3)(batch, generator())
    left = lost.streams["audio.b"].mask
    assert 0.67 < left.float().mean() < 0.74
    assert left.any(dim=2).all()
    assert torch.equal(lost.present("video.c"), batch.present("video.c"))
    assert Gaps(streams=0.0, steps=1.0)(batch, generator()).streams["audio.b"].mask.sum(dim=2).eq(1).all()


def test_gaps_of_one_seed_are_the_same_and_of_another_others() -> None:
    one, same, other = (Gaps()(three_streams(), generator(s)).streams["text.a"].mask for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
