"""The command line: what it prints where, what it leaves, and its exit codes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from analyze_makers import LICENCE, make_checkpoint, make_csv, make_talk

from affectline import recipes
from affectline.cli import COMMANDS, main
from affectline.machines import Machines
from affectline.recipes import find
from affectline.timeline import Timeline


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


class Affectline:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: object) -> Ran:
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # tyro's own way out
            code = stop.code if isinstance(stop.code, int) else 1
        printed = self.capsys.readouterr()
        return Ran(code, printed.out, printed.err)


@pytest.fixture
def affectline(capsys: pytest.CaptureFixture[str]) -> Affectline:
    return Affectline(capsys)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("checkpoints") / "tiny")


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("talks")
    make_talk(folder / "a.wav", 1.0)
    make_talk(folder / "b.wav", 1.2, pitch=200.0)
    return folder


def test_help_names_every_command_and_gives_examples(affectline: Affectline) -> None:
    for words in ([], ["--help"]):
        ran = affectline(*words)
        assert ran.code == 0
        assert all(f"  {name}" in ran.out for name in COMMANDS)
        assert "affectline analyze talk.mp4" in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(affectline: Affectline, command: str) -> None:
    ran = affectline(command, "--help")
    assert ran.code == 0
    assert f"usage: affectline {command}" in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["analyse"], "did you mean analyze?"),
        (["analyze"], "needs a recording"),
        (["analyze", "x.mp4", "--transcipt", "x.srt"], "--transcript"),
        (["analyze", "x.mp4", "--formats", "json,doc"], "no format 'doc'"),
        (["analyze", "x.mp4", "--modalities", "smell"], "no modality 'smell'"),
        (["analyze", "x.mp4", "--modalities", ","], "give one or more"),
        (["analyze", "x.mp4", "--speakers", "0"], "speakers is 0"),
        (["analyze", "x.mp4", "--speakers", "two"], "two"),
        (["analyze", "x.mp4", "--checkpoint", "no-such"], "no checkpoint 'no-such'"),
        (["analyze", "x.mp4", "--device", "tpu", "--checkpoint", "."], "no device 'tpu'"),
        (["train", "base.txt"], "did you mean base.text?"),
        (["train", "base.text", "train.epoch=2"], "'epoch'"),
        (["train", "base.text", "train.epochs=many"], "the setting is now 3, of type int"),
        (["train", "base.text", "epochs"], "is no change"),
        (["train", "base.text"], "AFFECTLINE_DATA"),
        (["train", "base.text", "--root", "no-such"], "'no-such' does not exist"),
        (["train", "base.text", "--root", ".", "--seeds", "0,0"], "different whole numbers"),
        (["evaluate", "base"], "a checkpoint and a corpus"),
        (["evaluate", ".", "moseii", "--root", "."], "no corpus 'moseii'"),
        (["evaluate", ".", "goemotions", "--root", "."], "no GoEmotions at"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_right(
    affectline: Affectline, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    monkeypatch.delenv("AFFECTLINE_DATA", raising=False)
    ran = affectline(*words)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_one_recording_is_shown_whole(
    affectline: Affectline, tiny: Path, talks: Path, tmp_path: Path
) -> None:
    script = make_csv(tmp_path / "a.csv", "Ada,0.1,0.9,Hello there.")
    ran = affectline(
        "analyze", talks / "a.wav", "--transcript", script, "--checkpoint", tiny, "--out", tmp_path / "out"
    )
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / "a"
    assert {p.name for p in folder.iterdir()} == {"timeline.json", "report.html"}
    assert all(text in ran.out for text in ("Ada", "Hello there.", "1 utterances", " s, "))
    assert str(folder / "timeline.json") in ran.out.replace("\n", "")
    assert str(folder / "report.html") in ran.out.replace("\n", "")
    assert ran.err.count(LICENCE) == 1
    assert "a.wav: emotions" in ran.err


def test_json_goes_alone_to_standard_output(
    affectline: Affectline, tiny: Path, talks: Path, tmp_path: Path
) -> None:
    ran = affectline("analyze", talks, tmp_path / "no.wav", "--checkpoint", tiny, "--out", tmp_path, "--json")
    assert ran.code == 1
    assert [Path(d["recording"]).name for d in ran.json["done"]] == ["a.wav", "b.wav"]
    reason = "there is no such file; check the path"
    assert ran.json["failed"] == [{"recording": str(tmp_path / "no.wav"), "reason": reason}]
    first = ran.json["done"][0]
    assert first["timeline"]["source"]["path"] == str(talks / "a.wav")
    assert (
        json.loads(Path(first["files"]["json"]).read_text())["utterances"] == first["timeline"]["utterances"]
    )
    assert "no.wav" in ran.err


def test_without_out_a_folder_beside_the_recording_is_made(
    affectline: Affectline, tiny: Path, tmp_path: Path
) -> None:
    talk = make_talk(tmp_path / "talk.wav", 1.0)
    formats = "csv,parquet,vtt,eaf,rttm,html"
    assert affectline("analyze", talk, "--checkpoint", tiny, "--formats", formats).code == 0
    folder = tmp_path / "talk.wav.affectline"
    names = {"timeline." + f for f in ("json", "csv", "parquet", "vtt", "eaf", "rttm")} | {"report.html"}
    assert {p.name for p in folder.iterdir()} == names
    assert Timeline.read(folder / "timeline.json").source.path == str(talk.resolve())


def test_resume_leaves_out_what_is_done_and_makes_what_is_missing(
    affectline: Affectline, tiny: Path, talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from affectline.analyze import Analyzer

    words = ["analyze", talks, "--checkpoint", tiny, "--out", tmp_path, "--resume", "--json"]
    assert affectline(*words).code == 0
    judged = Analyzer.judged
    ran: list[str] = []
    monkeypatch.setattr(
        Analyzer, "judged", lambda self, path, *more: (ran.append(path.name), judged(self, path, *more))[1]
    )
    (tmp_path / "b" / "timeline.json").unlink()
    (tmp_path / "a" / "report.html").unlink()
    again = affectline(*words)
    assert ran == ["b.wav"]
    assert (tmp_path / "a" / "report.html").is_file()
    assert [d["seconds"] is None for d in again.json["done"]] == [True, False]
    affectline(*words, "--modalities", "audio")
    assert ran == ["b.wav", "a.wav", "b.wav"]


def test_an_error_that_nobody_foresaw_spares_the_other_recordings(
    affectline: Affectline, tiny: Path, talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from affectline.analyze import Analyzer

    judged = Analyzer.judged

    def fail(self: Analyzer, path: Path, *more: object):
        if path.name == "a.wav":
            raise RuntimeError("the sky fell")
        return judged(self, path, *more)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Analyzer, "judged", fail)
    words = ["analyze", talks, "--checkpoint", tiny, "--out", tmp_path, "--json"]
    ran = affectline(*words)
    assert ran.code == 1
    assert ran.json["failed"][0]["reason"].startswith("RuntimeError: the sky fell")
    assert len(ran.json["done"]) == 1
    assert "Traceback" not in ran.err
    assert "Traceback" in affectline(*words, "--debug").err


def test_recipes_are_listed_without_data(affectline: Affectline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFECTLINE_DATA", raising=False)
    listed = affectline("recipes", "--json").json
    assert {"base.text", "base.audio", "base.face", "base.fuse"} <= set(listed)
    assert all(listed.values())
    shown = affectline("recipes").out
    assert all(name in shown for name in listed)


def test_changes_reach_the_settings_they_name() -> None:
    changed = find.find("base.face", ["train.epochs=3", "train.learning_rate=1", "extractors.0.size=32"])
    assert isinstance(changed, recipes.Recipe)
    assert changed.train.epochs == 3
    assert changed.train.learning_rate == 1.0
    assert changed.extractors[0].shape == (32, 32, 3)
    fused = find.find("base.fuse", ["parts.audio.train.epochs=1"])
    assert isinstance(fused, recipes.Fusion)
    assert fused.parts["audio"].train.epochs == 1  # pyright: ignore[reportArgumentType]


def test_train_gives_the_recipe_its_changes_and_one_folder_per_seed(
    affectline: Affectline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def train_recipe(recipe, root, out, *, progress, **more):
        progress("epoch 1", 1.0, {"bce": 0.25})
        calls.append((recipe.train.epochs, root, out, more))

    monkeypatch.setattr(recipes, "train_recipe", train_recipe)
    out = tmp_path / "runs"
    ran = affectline(
        *(
            "train",
            "base.audio",
            "train.epochs=2",
            "--root",
            tmp_path,
            "--seeds",
            "0,3",
            "--out",
            out,
            "--resume",
        )
    )
    assert ran.code == 0, ran.err
    common = {"name": "base.audio", "machines": Machines(), "resume": True}
    assert calls == [
        (2, tmp_path, out / "seed0", {**common, "seed": 0}),
        (2, tmp_path, out / "seed3", {**common, "seed": 3}),
    ]
    assert "epoch 1 bce 0.2500" in ran.err


def _goemotions(root: Path) -> Path:
    folder = root / "goemotions"
    folder.mkdir(parents=True)
    (folder / "labels.txt").write_text("joy\nsadness\nneutral\n")
    rows = [f"comment number {n}\t{n % 3}\tid{n}" for n in range(12)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.tsv").write_text("\n".join(rows) + "\n")
    return root


def test_evaluate_gives_results_and_differences(affectline: Affectline, tmp_path: Path) -> None:
    root = _goemotions(tmp_path / "data")
    one = make_checkpoint(tmp_path / "one", text=4, audio=0, face=0)
    two = make_checkpoint(tmp_path / "two")  # which cannot read: its scores are the same for everything
    words = ["evaluate", one, two, "goemotions", "--root", root, "--against", two, one, "--json"]
    results = affectline(*words, "--out", tmp_path / "results.json").json
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert results["n"] == 12
    assert results["support"]["joy"] == 4
    assert set(results["macro_f1"]) == {"mean", "sd", "low", "high"}
    assert results["macro_f1"]["sd"] is not None
    assert results["selection"] == "validation"
    assert results["against"]["checkpoints"] == [str(two), str(one)]
    differs = results["against"]["difference"]["macro_f1"]
    assert set(differs) == {"mean", "low", "high", "p"}
    assert differs["mean"] == pytest.approx(0)
    assert differs["p"] > 0.5
    deaf = affectline("evaluate", two, "goemotions", "--root", root, "--without", "text", "--against", two)
    assert deaf.code == 0, deaf.err
    assert "minus" in deaf.out
    assert any("macro_f1" in line and "1.000" in line for line in deaf.out.splitlines())
    again = "evaluate", two, "goemotions", "--root", root, "--without", "text"
    lines = affectline(*again, "--markdown").out.splitlines()
    assert lines[:2] == [f"**{two} on goemotions test**", ""]
    assert lines[2] == "| metric | value | 95 % interval | at 0.5 | majority | all zeros | all ones |"
    assert lines[3] == "| :-- | --: | --: | --: | --: | --: | --: |"
    assert all(line.startswith("| ") and line.count("|") == 8 for line in lines[2:17])
    joy = next(line.split(" | ") for line in lines if line.startswith("| joy |"))
    assert joy[:2] == ["| joy", "4"]
    assert affectline(*again, "--markdown", "--json").code == 2
    assert (
        "--without smell"
        in affectline("evaluate", one, "goemotions", "--root", root, "--without", "smell").err
    )


def test_weights_are_listed_with_licences_and_checksums(affectline: Affectline) -> None:
    listed = json.loads(affectline("weights", "--json").out)
    by_name = {one["name"]: one for one in listed}
    assert by_name["all-MiniLM-L6-v2"]["official"] is True
    assert by_name["MTCNN pnet"]["official"] is True
    assert all(one["licence"] and one["source"] for one in listed)
    assert "MTCNN" in affectline("weights").out


def test_altered_weights_are_found(affectline: Affectline, monkeypatch: pytest.MonkeyPatch) -> None:
    from affectline.nn import mtcnn

    monkeypatch.setattr(mtcnn, "SHA256", {**mtcnn.SHA256, "pnet": "0" * 64})
    ran = affectline("weights")
    assert ran.code == 1
    assert "not that of MTCNN pnet" in ran.err


def test_weights_of_recognition_are_fetched_where_they_are_asked_for(
    affectline: Affectline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import faster_whisper

    asked: list[str] = []

    def fetch(model: str) -> str:
        if model == "none":
            raise FileNotFoundError("there is no way to the hub")
        asked.append(model)
        return str(tmp_path)

    monkeypatch.setattr(faster_whisper, "download_model", fetch)
    said = affectline("weights", "--download", "--asr", "tiny", "small")
    assert (said.code, asked) == (0, ["tiny", "small"])
    assert f"Whisper's small are in {tmp_path}" in said.err
    assert affectline("weights", "--asr", "small").code == 2
    away = affectline("weights", "--download", "--asr", "none")
    assert (away.code, "'none' could not be fetched (there is no way" in away.err) == (1, True)


def test_reading_only_the_beginning_of_what_is_printed_is_no_error() -> None:
    command = f"{sys.executable} -m affectline recipes | true"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
