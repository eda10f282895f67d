import pytest
import torch

from affectline.nn.small_cnn import AudioNet, FaceNet, sounding, standardise


def test_networks_have_the_sizes_that_the_model_card_tells() -> None:
    count = {
        name: sum(p.numel() for p in net.parameters())
        for name, net in (("face", FaceNet(7)), ("audio", AudioNet(7, width=24)))
    }
    assert 0.4e6 < count["audio"] < 1.2e6
    assert 0.6e6 < count["face"] < 1.2e6


def test_standardising_removes_brightness_and_contrast() -> None:
    face = torch.randint(60, 120, (1, 48, 48, 3), dtype=torch.uint8)
    brighter = (face.float() * 2).to(torch.uint8)
    torch.testing.assert_close(standardise(face, 48), standardise(brighter, 48), atol=0.15, rtol=0)
    assert abs(standardise(face, 48).mean().item()) < 1e-4


def test_a_larger_face_is_brought_to_size() -> None:
    face = torch.randint(0, 255, (2, 48, 48, 3), dtype=torch.uint8)
    larger = face.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    torch.testing.assert_close(standardise(larger, 48), standardise(face, 48), atol=1e-3, rtol=0)


def test_the_soft_and_the_padded_do_not_sound() -> None:
    mel = torch.full((1, 6, 64), -15.0)
    mel[0, 1:3] = 0.0
    mel[0, 5] = 9.0  # padding
    mask = torch.tensor([[True, True, True, True, True, False]])
    assert sounding(mel, mask).tolist() == [[False, True, True, False, False, False]]


def test_digital_silence_sounds_alike_everywhere() -> None:
    assert sounding(torch.full((1, 4, 64), -18.4), torch.ones(1, 4, dtype=torch.bool)).all()


@torch.no_grad()
@pytest.mark.parametrize("change", ["padding", "loudness", "silence"])
def test_a_voice_is_the_same_with_other(change: str) -> None:
    torch.manual_seed(0)
    net = AudioNet(7, width=8).eval()
    mel = 3 * torch.randn(1, 64, 64)
    mask = torch.ones(1, 64, dtype=torch.bool)
    other, other_mask = mel, mask
    if change == "padding":
        other = torch.cat([mel, torch.full((1, 32, 64), 50.0)], dim=1)
        other_mask = torch.cat([mask, torch.zeros(1, 32, dtype=torch.bool)], dim=1)
    elif change == "loudness":
        other = mel + 2.0
    else:
        other = torch.cat([mel, torch.full((1, 32, 64), -18.0)], dim=1)
        other_mask = torch.ones(1, 96, dtype=torch.bool)
    torch.testing.assert_close(net(other, other_mask), net(mel, mask), atol=2e-3, rtol=1e-3)
