"""Ray itself: the same as from one process, whatever dies on the way. Needs the extra `scale`."""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analyze_makers import make_checkpoint, make_talk
from deadly import Deadly, hopeless, marking
from doctor_makers import made_meld

from affectline import extraction
from affectline.cli import main
from affectline.corpora import meld
from affectline.extraction import Job, extract_table
from affectline.features.audio_mel import Mel
from affectline.scale import ATTEMPTS, on_ray, spread
from affectline.types import Conversation

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Ray's own


@pytest.fixture(scope="module", autouse=True)
def two_workers() -> Iterator[None]:
    """Ray on this machine, whose processes find what is beside the tests."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        path = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        patch.setenv("PYTHONPATH", path)
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=1,
            object_store_memory=200 * 2**20,
            include_dashboard=False,
            log_to_driver=False,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, Conversation]]]:
    data = tmp_path_factory.mktemp("data") / "meld"
    made_meld(data)
    return data, [(split, c) for split in meld.SPLITS for c in meld.read(data, split)]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "PIECE", 6)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def test_files_are_those_of_one_process_byte_for_byte(
    talks: tuple[Path, list[tuple[str, Conversation]]], tmp_path: Path
) -> None:
    data, conversations = talks
    extract_table(Job("meld", data, (Mel(),)), conversations, tmp_path / "local")
    extract_table(Job("meld", data, (Mel(),)), conversations, tmp_path / "ray", engine=on_ray())
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert len(contents(tmp_path / "ray")) == 5


def test_what_a_killed_worker_read_is_read_again(
    talks: tuple[Path, list[tuple[str, Conversation]]], tmp_path: Path
) -> None:
    data, conversations = talks
    job = Job("meld", data, (Deadly("train_dia1_utt1", str(tmp_path / "died")),))
    made = extract_table(job, conversations, tmp_path / "ray", engine=on_ray())
    assert (tmp_path / "died").exists()
    assert (made.rows, made.failed) == (27, {})
    extract_table(job, conversations, tmp_path / "local")
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_what_kills_every_worker_is_rows_with_the_error(
    talks: tuple[Path, list[tuple[str, Conversation]]], tmp_path: Path
) -> None:
    data, conversations = talks
    job = Job("meld", data, (Deadly("train_dia1_utt1"),))
    made = extract_table(job, conversations, tmp_path / "ray", engine=on_ray())
    assert {*made.failed} == {f"train_dia1_utt{n}" for n in range(3)}
    assert f"died, {ATTEMPTS} times" in made.failed["train_dia1_utt0"]
    table = pd.read_parquet(tmp_path / "ray")
    assert (len(table), table["audio.deadly"].isna().sum()) == (27, 3)


def test_workers_wait_for_whoever_takes_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = spread(partial(marking, Path()), range(20), workers=2)
    pids, taken = set[bytes](), 0
    for taken, (_, pid) in enumerate(results, start=1):
        assert len(list(tmp_path.iterdir())) <= taken + 1
        pids.add(pid)
    assert taken == 20
    assert 1 <= len(pids) <= 2


def test_workers_for_whom_there_is_no_place_hold_nothing_up(tmp_path: Path) -> None:
    found = list(spread(partial(marking, tmp_path), range(5), workers=3, gpus=1))  # there is one
    assert sorted(item for item, _ in found) == [*range(5)]
    assert len({pid for _, pid in found}) == 1


def test_what_cannot_be_loaded_is_said_as_one_process_says_it() -> None:
    with pytest.raises(ImportError, match=r"^the extra that this needs is missing$"):
        list(spread(hopeless, range(3)))


def test_analyze_gives_the_same_timelines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, tiny = tmp_path / "talks", make_checkpoint(tmp_path / "tiny")
    folder.mkdir()
    for n in range(4):
        make_talk(folder / f"{n}.wav", pitch=110.0 + 20 * n)
    (folder / "torn.wav").write_bytes(b"RIFF")

    def analyzed(out: str, *more: str) -> dict[str, Any]:
        words = ["analyze", folder, "--checkpoint", tiny, "--device", "cpu", "--out", tmp_path / out]
        assert main([*map(str, words), "--json", *more]) == 1
        return json.loads(capsys.readouterr().out)

    local, ray = analyzed("local"), analyzed("ray", "--engine", "ray", "--workers", "2")
    assert [f["recording"] for f in ray["failed"]] == [str(folder / "torn.wav")]
    assert ray["failed"] == local["failed"]
    assert len(ray["done"]) == 4
    by_name = [{d["recording"]: d["timeline"] for d in said["done"]} for said in (local, ray)]
    assert by_name[0] == by_name[1]
    for n in range(4):
        files = [tmp_path / out / str(n) / "timeline.json" for out in ("local", "ray")]
        assert files[0].read_bytes() == files[1].read_bytes()
    again = analyzed("ray", "--engine", "ray", "--workers", "2", "--resume")
    assert [d["seconds"] for d in again["done"]] == [None] * 4
