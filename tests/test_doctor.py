import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from doctor_makers import (
    MAKERS,
    made_goemotions,
    made_meld,
    made_meld_text,
    made_ravdess,
    sound,
    words,
)
from doctor_plants import (
    FIRST,
    OF_CLIPS,
    OF_FILES,
    PLANTS,
    TEST,
    TRAIN,
    Plant,
    half,
    latin,
    quiet,
    replaced,
    row,
)
from media_makers import make_sound, make_video

from affectline.cli import main
from affectline.corpora import Published, meld
from affectline.doctor import KINDS, Report, examine, same
from affectline.doctor.copies import Copy, counts_of

INHERENT = {"iemocap": {"speaker", "no-label"}, "ravdess": {"gap", "no-label"}}
"""IEMOCAP's dev, here of one dialogue, has the actors of train; the small RAVDESS has one take of each."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Report]]:
    """A copy of a corpus with nothing wrong, made once, and what is found in it."""

    @cache
    def made(corpus: str) -> tuple[Path, Report]:
        data, name = tmp_path_factory.mktemp("data"), corpus.split(maxsplit=1)[0]
        MAKERS[corpus](data / name)
        return data / name, examine(name, data)

    return made


def found(report: Report) -> dict[str, list[str]]:
    return {kind: [fault.where for fault in faults] for kind, faults in report.by_kind().items()}


@pytest.mark.parametrize("corpus", MAKERS)
def test_a_whole_copy_has_nothing_wrong_but_its_size(
    whole: Callable[[str], tuple[Path, Report]], corpus: str
) -> None:
    _, report = whole(corpus)
    assert set(found(report)) <= {"count", "rare"} | INHERENT.get(corpus, set())
    assert len(report.copy.utterances) > 17
    if corpus not in {"meld text", "goemotions", "ferplus"}:
        assert len({one.sound for one in report.decoded.values()}) == len(report.copy.utterances)


def together(planted: tuple[str, str, str, Plant]) -> bool:
    """Whether it is planted at once with others, each in a clip of its own: decoding takes the time."""
    corpus, kind, _, _ = planted
    return kind in OF_CLIPS and corpus in OF_FILES


@pytest.mark.parametrize("corpus", OF_FILES)
def test_faults_of_clips_are_found_and_only_where_they_are(
    whole: Callable[[str], tuple[Path, Report]], tmp_path: Path, corpus: str
) -> None:
    clean, report = whole(corpus)
    root = copytree(clean, tmp_path / corpus)
    before, planted = found(report), [p for p in PLANTS if p[0] == corpus and together(p)]
    for _, _, _, plant in planted:
        plant(root)
    after = found(examine(corpus, tmp_path))
    for kind in {kind for _, kind, _, _ in planted}:
        same = {kind, "leak"} if kind == "duplicate" else {kind}  # what is in two parts is there twice
        expected = {where for _, k, where, _ in planted if k in same}
        new = {*after[kind]} - {*before.get(kind, [])}
        assert new == expected, kind


@pytest.mark.parametrize("planted", [p for p in PLANTS if not together(p)], ids=lambda p: "-".join(p[:3]))
def test_a_planted_fault_is_found_and_only_where_it_is(
    whole: Callable[[str], tuple[Path, Report]], tmp_path: Path, planted: tuple[str, str, str, Plant]
) -> None:
    corpus, kind, where, plant = planted
    clean, report = whole(corpus)
    before = found(report).get(kind, [])
    root = copytree(clean, tmp_path / clean.name)
    if corpus not in {"ravdess", "cremad"}:
        for clip in [*root.rglob("*.mp4"), *root.rglob("*.wav")]:
            clip.unlink()
    plant(root)
    after = found(examine(clean.name, tmp_path)).get(kind, [])
    assert where in after
    assert where not in before
    assert len(after) - len(before) <= 6


def test_clips_that_cannot_be_opened_are_named_with_the_reason(tmp_path: Path) -> None:
    made_meld(tmp_path / "meld")
    (tmp_path / "meld" / TRAIN[1]).write_text("no clip")
    (tmp_path / "meld" / TRAIN[2]).write_bytes(b"")
    (tmp_path / "meld" / TRAIN[3]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0")
    # In a process of its own: here each utterance is checked as it is made, which looks into its clip
    command = [
        sys.executable,
        "-m",
        "affectline",
        "doctor",
        "meld",
        "--kind",
        "unreadable",
        "--root",
        tmp_path,
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    first, second, third = shown.stdout.splitlines()
    assert first.startswith("train_dia0_utt1: train_splits/dia0_utt1.mp4: is not a recording")
    assert second.startswith("train_dia0_utt2: train_splits/dia0_utt2.mp4: the file is empty")
    assert "train_splits/dia1_utt0.mp4: is not the file but a pointer to it (Git LFS)" in third
    assert shown.returncode == 1


def test_faults_are_planted_in_a_copy_of_every_corpus() -> None:
    corpora = {path.stem for path in Path(meld.__file__).parent.glob("[!_]*.py")} - {"mine", "synthetic"}
    assert len(corpora) == 10
    assert {corpus.split()[0] for corpus, *_ in PLANTS} == corpora
    assert {corpus.split()[0] for corpus, kind, *_ in PLANTS if kind == "unread"} == corpora


def test_every_kind_of_fault_is_planted_somewhere() -> None:
    planted = {kind for _, kind, _, _ in PLANTS}
    assert set(KINDS) - planted == {"count", "rare", "out-of-step", "unreadable"}


def test_a_clip_that_is_known_to_be_bad_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_meld_text(tmp_path / "meld")
    sound(tmp_path / "meld" / TRAIN[0], 0)
    monkeypatch.setitem(meld.BROKEN, "train_dia0_utt0", "it shows a teapot")
    (fault,) = examine("meld", tmp_path).by_kind()["known"]
    assert (fault.where, fault.what) == ("train_dia0_utt0", "it shows a teapot")


def test_sound_that_ends_before_the_picture_is_told(tmp_path: Path) -> None:
    made_meld_text(tmp_path / "meld")
    (tmp_path / "meld" / TEST[0]).parent.mkdir()
    wave = np.zeros((1, 16_000), dtype=np.float32)
    make_video(tmp_path / "meld" / TEST[0], seconds=2.5, rate=5, wave=wave, sound_rate=16_000)
    assert found(examine("meld", tmp_path))["out-of-step"] == ["test_dia0_utt0"]


def test_as_many_as_were_published_are_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_meld_text(tmp_path / "meld")
    published = {"train": Published(3, 9), "dev": Published(3, 9), "test": Published(3, 10)}
    monkeypatch.setattr(meld, "PUBLISHED", published)
    report = examine("meld", tmp_path)
    (fault,) = report.by_kind()["count"]
    assert (fault.where, fault.what) == ("test", "9 utterances, not 10")
    assert report.counts()["test"]["expected_utterances"] == 10
    assert report.counts()["test"]["hours"] == pytest.approx(9 / 3600)
    assert report.damaged


def test_the_same_sound_in_another_file_format_is_the_same(tmp_path: Path) -> None:
    made_ravdess(tmp_path / "ravdess")
    tone = np.sin(np.arange(8000) / 9).astype(np.float32) / 2
    for name, actor in (("03-01-05-01-02-01-01.flac", 1), ("03-01-05-01-02-01-17.wav", 17)):
        make_sound(tmp_path / "ravdess" / f"Actor_{actor:02d}" / name, rate=8000, wave=tone[None])
    assert found(examine("ravdess", tmp_path))["leak"] == ["03-01-05-01-02-01-17"]


def test_silence_is_not_a_duplicate_of_silence(tmp_path: Path) -> None:
    made_ravdess(tmp_path / "ravdess")
    for actor in (1, 17):
        quiet(f"Actor_{actor:02d}/03-01-02-01-01-01-{actor:02d}.wav")(tmp_path / "ravdess")
    report = found(examine("ravdess", tmp_path))
    assert len(report["silent"]) == 2
    assert not {"leak", "duplicate"} & report.keys()


def test_a_part_that_cannot_be_read_leaves_the_others_examined(tmp_path: Path) -> None:
    made_goemotions(tmp_path / "goemotions")
    latin("dev.tsv")(tmp_path / "goemotions")
    replaced("test.tsv", words(59), words(0))(tmp_path / "goemotions")
    report = examine("goemotions", tmp_path)
    assert "dev.tsv is not text in UTF-8" in report.by_kind()["unread"][0].what
    assert found(report)["leak"] == ["test3"]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["doctor", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_command_shows_the_worst_first_and_fails_on_damage_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_meld_text(tmp_path / "meld")
    monkeypatch.setattr(meld, "PUBLISHED", {})
    row("test", 0, **FIRST)(tmp_path / "meld")
    code, out, err = run(capsys, "meld", "--root", tmp_path)
    assert code == 0
    assert "meld: comparing" in err
    assert out.index("leak") < out.index("rare")
    assert "test_dia0_utt0: the same stretch as train_dia0_utt0" in " ".join(out.split())
    sound(tmp_path / "meld" / TEST[1], 1)
    half(TEST[1])(tmp_path / "meld")
    code, out, _ = run(capsys, "meld", "--root", tmp_path)
    assert code == 1
    assert out.index("cut-short") < out.index("leak")


def test_json_has_counts_kinds_labels_and_faults_and_nothing_of_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_meld_text(tmp_path / "meld")
    sound(tmp_path / "meld" / TEST[0], 0)
    _, out, _ = run(capsys, "meld", "--root", tmp_path, "--json")
    result = json.loads(out)
    assert str(tmp_path) not in out
    assert result["parts"]["test"]["utterances"] == 9
    assert result["kinds"]["missing"] == {
        "severity": "damage",
        "says": "clips that are not there",
        "count": 10,
        "parts": {"train": 1, "dev": 1, "test": 8},
    }
    assert result["labels"]["train"]["support"]["neutral"] == 2
    assert {f["where"] for f in result["faults"] if f["kind"] == "missing"} >= {"test_dia0_utt1", "dev"}


def test_labels_that_go_together_are_counted(tmp_path: Path) -> None:
    made_goemotions(tmp_path / "goemotions")
    replaced("train.tsv", "\t0\ttrain0", "\t0,14,25\ttrain0")(tmp_path / "goemotions")
    labels = examine("goemotions", tmp_path).to_json()["labels"]["train"]
    assert sorted(labels["together"]) == [["fear", "joy", 1], ["fear", "sadness", 1], ["joy", "sadness", 1]]


def test_one_kind_is_listed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_meld_text(tmp_path / "meld")
    sound(tmp_path / "meld" / TEST[8], 0)
    _, out, _ = run(capsys, "meld", "--root", tmp_path, "--kind", "missing")
    assert out.splitlines()[2] == (
        "test_dia0_utt2: there is no dia0_utt2.mp4; sound and picture are missing  "
        "[output_repeated_splits_test]"
    )
    assert len(out.splitlines()) == 10


def test_wrong_roots_and_names_are_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_goemotions(tmp_path / "goemotions")
    for arguments, message in (
        (("meld",), "there is no folder 'meld' in"),
        (("goemotion",), "there is no corpus 'goemotion'; there are cremad"),
        (("goemotions", "--kind", "leaks"), "there is no kind of fault 'leaks'; there are unread"),
    ):
        code, _, err = run(capsys, *arguments, "--root", tmp_path)
        assert (code, message in err) == (2, True), err
    code, _, err = run(capsys, "goemotions", "--root", tmp_path / "goemotions")
    assert (code, f"give --root {tmp_path}" in err) == (2, True)
    code, _, err = run(capsys, "goemotions", "--root", tmp_path / "nowhere")
    assert code == 2


@pytest.mark.corpus
def test_what_is_known_of_meld_is_found(data: Path) -> None:
    if not (data / "meld").is_dir():
        pytest.skip(f"no MELD at {data / 'meld'}")
    corpus = Copy.read("meld", data)
    twice = list(same.again(corpus, same.contents(corpus, {})))
    counts = Counter((fault.kind, fault.file) for fault in twice)
    assert sum(n for (kind, _), n in counts.items() if kind == "duplicate") == 30
    assert sum(n for (kind, _), n in counts.items() if kind == "conflict") == 16
    assert (counts["leak", "dev"], counts["leak", "test"]) == (2, 3)
    assert not list(counts_of(corpus))
