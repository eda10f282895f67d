import torch
from model_makers import batch_of

from affectline.nn.augment import Faces, Spectrograms


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


def test_a_mixture_mixes_targets_as_it_mixes_sounds() -> None:
    batch = batch_of(6)
    mixed = Spectrograms(mix=0.5)(batch, generator(3))
    assert torch.isfinite(mixed.streams["audio.mel"].values).all()
    rows = mixed.targets[batch.mask].sum(dim=1)
    assert ((mixed.targets >= 0) & (mixed.targets <= 1)).all()
    assert rows.max() <= 1 + 1e-5
    assert ((mixed.targets > 0.01) & (mixed.targets < 0.99)).any()


def test_other_streams_are_left_alone() -> None:
    batch = batch_of()
    changed = Spectrograms(mix=0)(batch, generator())
    assert changed.streams["video.faces"] is batch.streams["video.faces"]
    assert (changed.targets == batch.targets).all()
    assert changed.streams["audio.mel"].mask.any(dim=2).equal(batch.mask)
