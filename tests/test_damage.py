"""What is lost: how much of it, where, and that what looks around finds it lost too."""

from dataclasses import replace
from pathlib import Path

import pytest
from network_makers import WORDS, tiny_roberta

from affectline.corpora import synthetic
from affectline.corpora.synthetic import Pointer
from affectline.evaluation.damage import Lost, Mode, Only, find, modes_of
from affectline.features import extract
from affectline.features.ready import Ready
from affectline.features.text_windows import Windows
from affectline.types import Conversation, Utterance

EXTRACTORS = tuple(Pointer(s, 3) for s in ("text.words", "audio.voice", "video.face", "video.body"))
MODES = modes_of(EXTRACTORS, synthetic.read())
AUDIO = MODES[1]
SHARES = [n / 10 for n in range(11)]


def talks() -> list[Conversation]:
    """The third utterance of each says nothing, so that it has no mode."""
    found = synthetic.read(conversations=30)
    return [c.edit(2, text="") if len(c) > 2 else c for c in found]


def lost(conversations: list[Conversation], name: str = "audio") -> list[list[bool]]:
    return [[name in u.missing for u in c] for c in conversations]


def places(marks: list[list[bool]]) -> set[tuple[int, int]]:
    return {(n, i) for n, row in enumerate(marks) for i, mark in enumerate(row) if mark}


def test_modes_are_modalities_where_one_stream_is_all_they_have() -> None:
    assert [m.name for m in MODES] == ["text", "audio", "video.face", "video.body"]
    assert [m.name for m in modes_of((*EXTRACTORS[:1], Ready("audio.egemaps", 88)), talks())] == ["text"]
    with pytest.raises(ValueError, match=r"anything of audio\.egemaps: the model would answer blindly"):
        modes_of((Ready("audio.egemaps", 88),), talks())


@pytest.mark.parametrize("name", ["smell", "video.hands", "audio.mel", "text.tokens"])
def test_a_mode_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    assert [m.name for m in find(MODES, "video")] == ["video.face", "video.body"]
    assert find(MODES, "audio") == find(MODES, "audio.voice") == (AUDIO,)
    with pytest.raises(ValueError, match=f"no mode '{name}': .* are text, audio, video.face, video.body"):
        find(MODES, name)


@pytest.mark.parametrize("stretches", [False, True])
def test_just_the_share_is_lost_of_what_has_the_mode_and_more_at_every_larger_one(stretches: bool) -> None:
    before = talks()
    having = {place for own in AUDIO.of(before) for place in own}
    assert len(having) < sum(map(len, before))
    smaller: set[tuple[int, int]] = set()
    for share in SHARES:
        now = places(lost(Lost(AUDIO, share, stretches)(before)))
        assert len(now) == round(share * len(having))
        assert smaller <= now <= having
        smaller = now


def test_another_seed_loses_others_and_nothing_else_is_touched() -> None:
    before = talks()
    one, again, other = (Lost(AUDIO, 0.3, seed=n)(before) for n in (0, 0, 1))
    assert one == again != other
    for c, old, row in zip(one, before, lost(one), strict=True):
        assert c is old if not any(row) else c != old
        assert [replace(u, missing=frozenset()) for u in c] == list(old)


def test_stretches_are_runs_of_a_few_utterances_within_a_conversation() -> None:
    long = [replace(talks()[0], utterances=tuple(u for c in synthetic.read(conversations=40) for u in c))] * 3
    runs = {kind: _runs(lost(Lost(AUDIO, 0.2, kind)(long))) for kind in (False, True)}
    mean = {kind: sum(found) / len(found) for kind, found in runs.items()}
    assert mean[False] < 1.6
    assert 3 < mean[True] < 6.5  # 2 to 6, and some that follow one another
    assert sum(runs[True]) == sum(runs[False])
    assert min(sorted(runs[True])[1:]) >= 2  # but for the last, which is cut


def _runs(marks: list[list[bool]]) -> list[int]:
    """How long each run is."""
    return [len(run) for row in marks for run in "".join(".x"[mark] for mark in row).split(".") if run]


def test_a_stream_is_lost_without_the_others_of_its_modality() -> None:
    talk = synthetic.read()[0]
    (after,) = Lost(MODES[2], 1.0)([talk])
    assert all(u.missing == {"video.face"} and u.has("video.body") for u in after)
    (seen,) = Only(("text",), ("audio", "video.face"))([talk])
    (row,) = extract([seen], EXTRACTORS)
    assert {s for u in row for s, array in u.items() if len(array)} == {"text.words", "video.body"}


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Lost(AUDIO, share)


@pytest.mark.parametrize("mode", ["text", "text.windows"])
def test_words_that_were_lost_are_in_no_neighbours_window(tmp_path: Path, mode: str) -> None:
    windows = Windows(str(tiny_roberta(tmp_path)))
    said = ["one two", "three", "four five"]
    talk = Conversation("t", tuple(Utterance(id=w, speaker="Ada", text=w) for w in said))
    memo = {}

    def read(conversation: Conversation) -> list[str]:
        (row,) = extract([conversation], [windows], memo=memo)
        return [" ".join(WORDS[n] for n in u[windows.stream] if WORDS[n][0] != "<") for u in row]

    whole = read(talk)
    assert whole == ["one two three four five"] * 3
    (half,) = Lost(Mode(mode, windows), 0.34)([talk])
    (gone,) = [n for n, u in enumerate(half) if not u.has(windows.stream)]
    assert read(half) == [
        "" if n == gone else whole[0].replace(said[gone], "").replace("  ", " ").strip() for n in range(3)
    ]
    assert read(talk) == whole
