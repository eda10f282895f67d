import numpy as np
import pytest
from explain_makers import RATE, model, with_face, with_sound
from scipy.signal import welch

from affectline import faces
from affectline.explain import explain
from affectline.explain.faithfulness import judge
from affectline.explain.parts import runs
from affectline.explain.regions import NAMED, regions
from affectline.explain.sounds import COMPONENTS, components, sounds
from affectline.types import Conversation, Modality


def hum(seconds: float = 4.0) -> np.ndarray:
    """A soft tone of 150 Hz."""
    return 0.02 * np.sin(2 * np.pi * 150 * np.arange(round(seconds * RATE)) / RATE)


def burst(start: float, hertz: float, seconds: float = 0.8) -> np.ndarray:
    wave = np.zeros(4 * RATE)
    t = np.arange(round(seconds * RATE)) / RATE
    wave[round(start * RATE) : round(start * RATE) + len(t)] = 0.3 * np.sin(2 * np.pi * hertz * t)
    return wave


def energy(conversation: Conversation, low: float, high: float) -> float:
    """Of a band of the sound of the first utterance, as a share of all of it that was planted."""
    clip = conversation.utterances[0].clip
    assert clip is not None
    power = np.abs(np.fft.rfft(clip.waveform(RATE))) ** 2
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    return float(min(1.0, power[(hertz >= low) & (hertz < high)].sum() / 5e6))


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_a_planted_tone_comes_first(method: str) -> None:
    """O-19: in the segment and the band that it is in."""
    talk = with_sound(hum() + burst(2.1, 1000))
    predict = model(lambda c, _n: {"anger": energy(c, 800, 1200)})
    found = explain(sounds(talk, 0), predict, emotions=["anger"], method=method, samples=300)
    best = found.parts[int(found.weights["anger"].argmax())]
    assert best.name == "tone 500 to 2000 Hz"
    assert best.span is not None
    assert (best.span.start, best.span.end) == pytest.approx((12.0, 13.0))  # of the recording
    others = np.sort(found.weights["anger"])[:-1]
    assert found.weights["anger"].max() > 5 * abs(others).max()
    judged = judge(found, sounds(talk, 0), predict, orders=30, stability=False).faithfulness["anger"]
    assert judged.better == (True, True)
    assert judged.absent == "noise"


def test_components_sum_to_the_sound_and_tell_tones_from_knocks() -> None:
    knocks = np.zeros(4 * RATE)
    knocks[RATE // 2 :: RATE // 2] = 0.9
    talk = with_sound(hum() + burst(1.0, 3000) + knocks)
    clip = talk.utterances[0].clip
    assert clip is not None
    found = components(clip, RATE)
    np.testing.assert_allclose(found.sum(axis=0), clip.waveform(RATE), atol=1e-6)
    low, middle, high, rest = np.abs(found)
    inside = slice(round(1.3 * RATE), round(1.45 * RATE))  # the burst, between two knocks
    assert high[inside].max() > 0.25
    assert middle[inside].max() < 0.05
    assert low[3 * RATE + 2000 : 3 * RATE + 6000].max() > 0.015
    assert rest[RATE // 2 - 5 : RATE // 2 + 5].max() > 0.6


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_silence_is_where_parts_are_off_and_nowhere_else(rate: int) -> None:
    talk = with_sound(hum() + burst(2.1, 1000))
    perturbation = sounds(talk, 0)
    assert perturbation(np.ones(16, bool)) is talk
    mask = np.ones((4, 4), bool)
    mask[2] = False
    quiet, whole = (c.utterances[0].clip for c in (perturbation(mask.flatten()), talk))
    assert quiet is not None
    assert whole is not None
    wave, was = quiet.waveform(rate), whole.waveform(rate)
    middle = slice(round(2.01 * rate), round(2.99 * rate))
    assert len(wave) == len(was)
    assert np.abs(wave[middle]).max() == pytest.approx(0, abs=1e-7)
    np.testing.assert_allclose(wave[: round(1.99 * rate)], was[: round(1.99 * rate)], atol=1e-6)
    np.testing.assert_array_equal(quiet.window(1.5, 1.0).waveform(RATE), quiet.waveform(RATE)[24000:40000])
    assert not perturbation(np.zeros(16, bool)).utterances[0].clip.waveform(rate).any()  # pyright: ignore
    noise = perturbation.judge(np.zeros(16, bool)).utterances[0].clip
    assert noise is not None
    assert 0.001 < np.abs(noise.waveform(rate)).max() < 0.2


def test_noise_in_place_of_a_component_stays_in_its_band() -> None:
    """Else what goes would be heard as something new among what is on."""
    talk = with_sound(hum() + burst(2.1, 1000))
    perturbation = sounds(talk, 0)
    whole = talk.utterances[0].clip
    assert whole is not None
    for component, (low, high) in enumerate(((0, 500), (500, 2000))):
        mask = np.ones((4, 4), bool)
        mask[:, component] = False
        thinned = perturbation.judge(mask.flatten()).utterances[0].clip
        assert thinned is not None
        new = thinned.waveform(RATE) - whole.waveform(RATE) + components(whole, RATE)[component]
        hertz, power = welch(new, RATE, nperseg=1024)
        inside = power[(hertz > low - 50) & (hertz < high + 50)].sum()
        assert inside / power.sum() > 0.99
        assert np.sqrt(np.mean(new**2)) == pytest.approx(
            0.1 * np.sqrt(np.mean(components(whole, RATE)[component] ** 2)), rel=0.05
        )


def test_what_is_heard_changes_the_key_of_the_sound_alone() -> None:
    perturbation = sounds(with_sound(hum()), 0)
    clips = [perturbation(mask).utterances[0].clip for mask in np.eye(16, dtype=bool)[:2]]
    assert all(c is not None for c in clips)
    assert len({c.content(Modality.AUDIO) for c in clips if c}) == 2
    assert len({c.content(Modality.VIDEO) for c in clips if c}) == 1
    assert len(sounds(with_sound(hum(0.5)), 0).parts) == 2 * len(COMPONENTS)  # none under a fifth of a second
    assert len(sounds(with_sound(hum(30)), 0).parts) == 10 * len(COMPONENTS)


def faces_of(count: int = 5) -> np.ndarray:
    """Grey pictures with a bright patch where the mouth is, and texture everywhere."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(90, 110, size=(count, 120, 120, 3)).astype(np.uint8)
    pictures[:, 78:88, 48:72] = 250
    return pictures


def brightness_of_mouth(conversation: Conversation, _index: int) -> dict[str, float]:
    own = conversation.utterances[0]
    assert own.clip is not None
    assert own.face is not None
    crops = faces.crops(own.clip, own.face, 5.0, 48)
    return {"joy": float(crops[:, 36:40, 18:30].mean() / 255)}


@pytest.mark.parametrize(("kind", "name"), [("parts", "mouth"), ("superpixels", "mouth")])
def test_a_planted_patch_comes_first(kind: str, name: str) -> None:
    talk = with_face(faces_of())
    perturbation = regions(talk, 0, kind=kind)
    predict = model(brightness_of_mouth)
    found = explain(perturbation, predict, emotions=["joy"], samples=150)
    best = found.parts[int(found.weights["joy"].argmax())]
    assert best.name.startswith(name)
    assert best.region is not None
    assert best.region[37, 24]
    judged = judge(found, perturbation, predict, stability=False).faithfulness["joy"]
    assert judged.better == (True, True)
    assert judged.absent == "blur"


def test_regions_share_the_grid_and_each_covers_its_own_place_in_every_picture() -> None:
    talk = with_face(faces_of())
    perturbation = regions(talk, 0, kind="parts")
    regions_of = np.stack([p.region for p in perturbation.parts if p.region is not None])
    np.testing.assert_array_equal(regions_of.sum(axis=0), 1)  # each place is of one part
    assert [p.name for p in perturbation.parts] == [*NAMED]
    for n, part in enumerate(perturbation.parts):
        mask = np.arange(len(perturbation.parts)) != n
        clip, whole = perturbation(mask).utterances[0].clip, talk.utterances[0].clip
        assert clip is not None
        assert whole is not None
        differ = (clip.frames(rate=5.0) != whole.frames(rate=5.0)).any(axis=(0, 3))
        rows, columns = np.flatnonzero(differ.any(axis=1)), np.flatnonzero(differ.any(axis=0))
        at_rows, at_columns = (np.flatnonzero(part.region.any(axis=a)) for a in (1, 0))  # pyright: ignore
        scale = 80 / 48  # pixels of a place of the grid
        assert rows[[0, -1]] == pytest.approx(20 + scale * (at_rows[[0, -1]] + [0, 1]) - [0, 1], abs=1.5)
        assert columns[[0, -1]] == pytest.approx(
            20 + scale * (at_columns[[0, -1]] + [0, 1]) - [0, 1], abs=1.5
        )


def test_crops_of_a_covered_face_are_those_of_its_pictures() -> None:
    perturbation = regions(with_face(faces_of()), 0, kind="parts")
    own = perturbation(np.arange(8) % 2 == 0).utterances[0]
    assert own.clip is not None
    assert own.face is not None
    quick = faces.crops(own.clip, own.face, 5.0, 96).astype(float)
    exact = faces.crops_of(own.clip, own.face, 5.0, 96, 32).astype(float)
    assert quick.shape == exact.shape
    assert (np.abs(quick - exact) > 8).mean() < 0.08  # but for the edges of regions


def test_the_scene_is_covered_without_a_face() -> None:
    talk = with_face(faces_of()).edit(0, face=None)
    perturbation = regions(talk, 0, kind="scene")
    clip = perturbation(np.zeros(len(perturbation.parts), bool)).utterances[0].clip
    assert clip is not None
    assert all(len(np.unique(p.reshape(-1, 3), axis=0)) == 1 for p in clip.frames(count=2))
    assert perturbation.shown["picture"].startswith("data:image/jpeg")


def test_runs_say_where_a_region_is() -> None:
    region = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1]], bool)
    assert runs(region) == [[0, 1, 3], [2, 0, 1], [2, 2, 4]]


def test_what_is_not_heard_or_seen_is_refused() -> None:
    with pytest.raises(ValueError, match="is silent"):
        sounds(with_sound(np.zeros(RATE)), 0)
    talk = with_face(faces_of())
    with pytest.raises(ValueError, match="has no sound"):
        sounds(talk, 0)
    with pytest.raises(ValueError, match="has no sound"):
        sounds(with_sound(hum()).without("audio"), 0)
    with pytest.raises(ValueError, match="no face was found in utterance 'u0001'"):
        regions(talk.edit(0, face=None), 0)
    with pytest.raises(ValueError, match="has no picture"):
        regions(with_sound(hum()), 0)
    with pytest.raises(ValueError, match="no regions 'hands'; there are superpixels, parts, scene"):
        regions(talk, 0, kind="hands")


def test_under_a_mask_a_dozen_pictures_of_a_face_are_looked_at_and_all_where_it_is_judged() -> None:
    rng = np.random.default_rng(0)
    talk = with_face(rng.integers(0, 256, (20, 120, 120, 3), dtype=np.uint8))
    track = talk.utterances[0].face
    perturbation = regions(talk, 0, kind="parts")
    off = np.zeros(len(perturbation.parts), bool)
    assert track is not None
    for one, count in ((perturbation, 12), (perturbation.judge, 20)):
        clip = one(off).utterances[0].clip
        assert clip is not None
        assert len(faces.crops(clip, track, 5.0, 24, 32)) == count
        assert len(faces.crops(clip, track, 5.0, 24, 7)) == 7
    few, every = (p(off).utterances[0].clip for p in (perturbation, perturbation.judge))
    assert few is not None
    assert every is not None
    assert few.content(Modality.VIDEO) != every.content(Modality.VIDEO)
