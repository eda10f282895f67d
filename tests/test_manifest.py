import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_makers import MAKERS, meld_rows, sound, words, write_meld

from affectline.cli import main
from affectline.corpora import find, goemotions, meld, mosi, ravdess
from affectline.doctor import Report, examine
from affectline.doctor.manifest import Manifest, Row, left_out, rows_of, selected, text, verify, write
from affectline.doctor.splits import check, divided, leaks
from affectline.recipes.mixture import Part, mixed


def made(data: Path, corpus: str) -> list[Row]:
    MAKERS[corpus](data / corpus.split(maxsplit=1)[0])
    return rows_of(examine(corpus.split(maxsplit=1)[0], data))


@pytest.fixture(scope="module")
def ravdess_there(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return there(tmp_path_factory.mktemp("data"), "ravdess")


@pytest.fixture(scope="module")
def iemocap_there(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return there(tmp_path_factory.mktemp("data"), "iemocap")


def there(data: Path, corpus: str) -> Report:
    MAKERS[corpus](data / corpus)
    return examine(corpus, data)


def moved(rows: list[Row], split: str, *ids: str) -> list[Row]:
    return [replace(row, split=split) if row.id in ids else row for row in rows]


def utterances(read: Callable[[Path, str], list], root: Path) -> dict[str, list[str]]:
    return {s: [u.id for c in read(root, s) for u in c] for s in ("train", "dev", "test")}


@pytest.mark.parametrize("corpus", ["meld text", "iemocap", "ferplus"])
def test_what_is_written_is_read_and_is_the_data_that_was_seen(tmp_path: Path, corpus: str) -> None:
    rows = made(tmp_path, corpus)
    corpus = corpus.split(maxsplit=1)[0]
    written = write(tmp_path / "m.jsonl", rows)
    manifest = Manifest.read(tmp_path / "m.jsonl")
    assert manifest.rows == tuple(rows)
    assert manifest.sha256 == written.sha256
    assert manifest.sha256 == hashlib.sha256((tmp_path / "m.jsonl").read_bytes()).hexdigest()
    verify(manifest, tmp_path)
    module = find(corpus)
    read, root = selected(module.read, manifest, corpus), tmp_path / corpus
    assert utterances(read, root) == utterances(module.read, root)
    if corpus != "ferplus":  # whose pictures are not compared by what they show
        assert read(root, "test") == module.read(root, "test")


def test_a_row_has_what_a_run_must_know(iemocap_there: Report) -> None:
    row = next(row for row in rows_of(iemocap_there) if row.id == "Ses01F_impro01_M000")
    assert (row.start, row.end, row.speaker, row.labels) == (5.0, 6.0, "Ses01M", ("joy",))
    path = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav"
    root = iemocap_there.copy.root
    assert row.files == {path: hashlib.sha256((root / path).read_bytes()).hexdigest()}
    assert str(root) not in text([row])


def test_a_file_that_changed_is_refused_by_name(tmp_path: Path) -> None:
    manifest = Manifest.of(made(tmp_path, "ravdess"))
    changed = ravdess.read(tmp_path / "ravdess", "test")[0].utterances[0].clip
    sound(changed.path, 999)  # pyright: ignore
    with pytest.raises(
        ValueError, match=r"names: 03-01-02-01-01-01-17: Actor_17/03-01-02.*\.wav changed\. Get"
    ):
        verify(manifest, tmp_path)
    changed.path.unlink()  # pyright: ignore
    with pytest.raises(ValueError, match=r"03-01-02-01-01-01-17: is not in its part test"):
        verify(manifest, tmp_path)


def test_words_labels_and_pictures_that_changed_are_refused_by_name(tmp_path: Path) -> None:
    rows = made(tmp_path, "meld text")
    said = meld_rows("dev")
    said[1] |= {"Emotion": "fear", "Utterance": "something else"}
    write_meld(tmp_path / "meld", "dev", *said)
    with pytest.raises(
        ValueError, match="dev_dia0_utt1: its text changed; dev_dia0_utt1: its labels changed"
    ):
        verify(Manifest.of(rows), tmp_path)
    faces = made(tmp_path, "ferplus")
    faces[3] = replace(faces[3], content="0" * 64)
    with pytest.raises(ValueError, match="train00003: its picture changed"):
        verify(Manifest.of(faces), tmp_path)


def test_utterances_with_a_fault_can_be_left_out(tmp_path: Path) -> None:
    MAKERS["goemotions"](tmp_path / "goemotions")
    file = tmp_path / "goemotions" / "test.tsv"
    file.write_text(file.read_text().replace(words(59), words(0)))
    report = examine("goemotions", tmp_path)
    rows = rows_of(report)
    assert check(rows)["recording"] == 1
    kept = left_out(report, rows, ["leak"])
    assert {r.id for r in rows} - {r.id for r in kept} == {"test3"}
    assert check(kept)["recording"] == 0
    read = selected(goemotions.read, Manifest.of(kept), "goemotions")
    assert utterances(read, tmp_path / "goemotions")["test"] == [f"test{n}" for n in range(28) if n != 3]
    with pytest.raises(ValueError, match="count is not of single utterances"):
        left_out(report, rows, ["count"])
    with pytest.raises(ValueError, match="no kind of fault 'leaks'"):
        left_out(report, rows, ["leaks"])


BAD = {
    "absolute": ({"files": {"/etc/passwd": "0"}}, r"line 2: the path '/etc/passwd' leads out of the corpus"),
    "above": ({"files": {"clips/../../x.wav": "0"}}, r"line 2: the path 'clips/\.\./\.\./x\.wav' leads out"),
    "drive": ({"files": {"C:/x.wav": "0"}}, r"line 2: the path 'C:/x\.wav' leads out"),
    "backslash": ({"files": {"..\\x.wav": "0"}}, r"line 2: the path .* leads out"),
    "part": ({"split": "val"}, r"line 2: 'split' is 'val', but must be one of train, dev, test"),
    "time": ({"start": "soon"}, r"line 2: 'start' must be float or null, got 'soon'"),
    "twice": ({"id": "train_dia0_utt0"}, r"line 2: train_dia0_utt0 of meld has a line before, 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    changes, message = BAD[name]
    rows = [json.loads(line) for line in text(made(tmp_path, "meld text")[:2]).splitlines()]
    (tmp_path / "m.jsonl").write_text(json.dumps(rows[0]) + "\n" + json.dumps(rows[1] | changes))
    with pytest.raises(ValueError, match=message):
        Manifest.read(tmp_path / "m.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names no utterance"),
        (b"caf\xe9", "is not text in UTF-8"),
        (b'{"corpus": "meld"', "line 1: this is not JSON"),
        (b"[1]", "line 1 must be an object"),
        (b'{"corpus": "meld"}', "line 1 lacks 'split'"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        Manifest.read(tmp_path / "m.jsonl")


def test_a_corpus_that_is_unknown_or_not_there_is_refused(tmp_path: Path) -> None:
    rows = made(tmp_path, "meld text")
    with pytest.raises(ValueError, match="no corpus 'melt'"):
        verify(Manifest.of([replace(rows[0], corpus="melt")]), tmp_path)
    with pytest.raises(ValueError, match="no folder 'mosi'"):
        verify(Manifest.of([replace(rows[0], corpus="mosi")]), tmp_path)


def test_official_parts_may_share_what_they_were_published_with_and_no_others(iemocap_there: Report) -> None:
    rows = rows_of(iemocap_there)
    assert check(rows) == {"conversation": 0, "speaker": 2, "recording": 0}
    test = next(row for row in rows if row.split == "test")
    with pytest.raises(
        ValueError, match=r"conversation Ses05F_impro0\d of iemocap is in train \(1\) and test"
    ) as e:
        check(moved(rows, "train", test.id))
    assert "speaker Ses05M of iemocap is in train (1) and test (3)" in str(e.value)


def test_the_same_recording_in_two_parts_is_refused_with_both_names(ravdess_there: Report) -> None:
    rows = rows_of(ravdess_there)
    one, other = rows[0], next(row for row in rows if row.split == "train" and row.speaker == "Actor_05")
    rows = [replace(row, content="same") if row.id in {one.id, other.id} else row for row in rows]
    assert check(rows)["recording"] == 0
    fifth = [row.id for row in rows if row.speaker == "Actor_05"]
    with pytest.raises(
        ValueError, match=rf"recording {one.id} = {other.id} of ravdess is in train .* and test"
    ):
        check(moved(rows, "test", *fifth))


def test_parts_by_speakers_share_none_and_hang_on_the_seed(ravdess_there: Report) -> None:
    rows, copy = rows_of(ravdess_there), ravdess_there.copy
    found = {seed: divided(rows, copy, "speakers", seed=seed) for seed in (0, 0, 1)}
    assert divided(rows, copy, "speakers", seed=0) == found[0] != found[1]
    assert not leaks(found[0])
    counts = [sum(row.split == part for row in found[0]) for part in ("train", "dev", "test")]
    assert counts == [16, 2, 2]
    assert check(found[1]) == {"conversation": 0, "speaker": 0, "recording": 0}


def test_who_speaks_with_everybody_cannot_be_kept_apart(tmp_path: Path) -> None:
    rows = [replace(row, speaker="Ada") for row in made(tmp_path, "meld text")]
    with pytest.raises(
        ValueError, match=r"by speakers: 100% of its utterances are of people .* \(Ada \.\.\.\)"
    ):
        divided(rows, examine("meld", tmp_path).copy, "speakers")


def test_one_session_judges_the_next_one_chooses_and_nobody_is_in_two_parts(
    iemocap_there: Report, tmp_path: Path
) -> None:
    rows, copy = rows_of(iemocap_there), iemocap_there.copy
    parts = divided(rows, copy, "sessions", test="Ses05")
    sessions = {(row.speaker or "")[:5]: row.split for row in parts}
    assert sessions == {"Ses05": "test", "Ses01": "dev", "Ses02": "train", "Ses03": "train", "Ses04": "train"}
    assert not leaks(parts)
    with pytest.raises(ValueError, match=r"names the session that judges: Ses01, .*, Ses05; got ''"):
        divided(rows, copy, "sessions")
    other = made(tmp_path, "meld text")
    with pytest.raises(ValueError, match="meld was not recorded in sessions"):
        divided(other, examine("meld", tmp_path).copy, "sessions", test="a")


def test_a_reader_with_a_division_of_its_own_is_refused(tmp_path: Path) -> None:
    """Columns that have seen labels, which a manifest would mix with the official parts."""
    manifest = Manifest.of(made(tmp_path, "mosi"))
    file = tmp_path / "mosi" / "utterances.csv"
    file.write_text(file.read_text().replace("train,train", "test,train"))
    read = selected(mosi.read_published, manifest, "mosi")
    with pytest.raises(ValueError, match="this divides the corpus in its own way"):
        read(tmp_path / "mosi", "test")


def test_a_mixture_reads_manifests_of_all_its_corpora(tmp_path: Path) -> None:
    rows = [*made(tmp_path, "meld text"), *made(tmp_path, "goemotions")]
    corpora = {"meld": Part(meld.read, meld.LABELS), "goemotions": Part(goemotions.read, goemotions.LABELS)}
    read = mixed(corpora, meld.LABELS)
    without = [row for row in rows if row.id not in {"train0", "train_dia0_utt1"}]
    seen = utterances(selected(read, Manifest.of(without), "."), tmp_path)["train"]
    assert seen == [row.id for row in without if row.split == "train"]
    only = Manifest.of([row for row in rows if row.corpus == "meld"])
    with pytest.raises(ValueError, match=r"names meld, and not goemotions: write one"):
        selected(read, only, ".")(tmp_path, "train")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_train_and_evaluate_see_what_the_manifest_names_and_name_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, root = tmp_path / "m.jsonl", ("--root", tmp_path)
    assert run("doctor", "synthetic", *root, "--manifest", file) == 0
    said = capsys.readouterr().err
    assert "as published, 2 speakers" in said
    rows = file.read_text().splitlines(keepends=True)
    some = [line for line in rows if '"id": "test0.' not in line]
    file.write_text("".join(some))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    out = tmp_path / "run"
    assert run("train", "multiemo.synthetic", "train.epochs=1", *root, "--manifest", file, "--out", out) == 0
    about = json.loads((out / "config.json").read_text())["about"]["manifest"]
    assert about["sha256"] == sha256
    assert sum(about["utterances"].values()) == len(some)
    capsys.readouterr()
    assert run("evaluate", out, "synthetic", *root, "--manifest", file, "--json") == 0
    results = json.loads(capsys.readouterr().out)
    assert results["n"] == sum('"split": "test"' in line for line in some) < 28
    assert results["manifest"] == about
    file.write_text("".join(some).replace("I feel", "I felt", 1))
    assert run("evaluate", out, "synthetic", *root, "--manifest", file) == 2
    assert "train0.0: its text changed" in capsys.readouterr().err
    assert run("train", "multiemo.synthetic", *root, "--manifest", tmp_path / "none") == 2


def test_what_makes_no_manifest_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MAKERS["meld text"](tmp_path / "meld")
    file = tmp_path / "m.jsonl"
    for arguments, code, message in (
        (("--leave-out", "leak"), 2, "give --manifest FILE too"),
        (("--manifest", file, "--quick"), 2, "leave --quick out"),
        (("--manifest", file, "--leave-out", "leaks"), 2, "no kind of fault 'leaks'"),
        (("--manifest", file, "--splits", "sessions"), 1, "meld was not recorded in sessions"),
    ):
        assert run("doctor", "meld", "--root", tmp_path, *arguments) == code
        assert message in capsys.readouterr().err
        assert not file.exists()
