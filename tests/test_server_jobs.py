"""Jobs on the disk: nothing is lost, nothing is left."""

from pathlib import Path

import pytest

from affectline.server.jobs import RESTARTS, Job, Jobs, State

OPTIONS = {"modalities": ["text"]}


def _upload(jobs: Jobs, name: str = "talk.mp4") -> Job:
    folder = jobs.incoming()
    recording, transcript = folder / "recording.mp4", folder / "transcript.srt"
    recording.write_bytes(b"a voice")
    transcript.write_bytes(b"words")
    return jobs.add(name, recording, transcript, OPTIONS, upload=folder)


def test_a_job_survives_its_server(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs, "Gespräch.mp4")
    jobs.close()
    again = Jobs(tmp_path)
    assert again.get(job.id) == job
    assert job.given.name == "Gespräch.mp4"
    assert job.given.recording.read_bytes() == b"a voice"
    assert job.given.transcript is not None
    assert job.given.transcript.read_bytes() == b"words"
    assert job.options == OPTIONS
    again.close()


def test_the_data_folder_may_move(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "here")
    job = _upload(jobs)
    jobs.close()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Jobs(tmp_path / "there")
    assert moved.get(job.id).given.recording.read_bytes() == b"a voice"
    moved.close()


def test_only_one_server_uses_a_folder(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    with pytest.raises(ValueError, match="another server uses the folder"):
        Jobs(tmp_path)
    jobs.close()
    Jobs(tmp_path).close()


def test_first_come_first_served_and_each_once(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    sent = [_upload(jobs).id for _ in range(3)]
    assert [jobs.before(jobs.get(id)) for id in sent] == [0, 1, 2]
    claimed = [job.id for job in iter(jobs.claim, None)]
    assert claimed == sent
    assert {jobs.get(id).state for id in sent} == {State.RUNNING}
    jobs.close()


def test_a_job_that_ran_when_the_server_ended_is_queued_in_its_place(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    first, second = _upload(jobs), _upload(jobs)
    assert jobs.claim()
    jobs.close()
    again = Jobs(tmp_path)
    assert [again.get(j.id).state for j in (first, second)] == [State.QUEUED, State.QUEUED]
    claimed = again.claim()
    assert claimed is not None
    assert (claimed.id, claimed.restarts) == (first.id, 1)
    again.close()


def test_a_job_that_ends_servers_is_given_up(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs)
    for _ in range(RESTARTS):
        assert jobs.get(job.id).state is State.QUEUED
        jobs.claim()
        jobs.close()
        jobs = Jobs(tmp_path)
    assert jobs.get(job.id).state is State.FAILED
    assert f"{RESTARTS} servers ended" in (jobs.get(job.id).reason or "")
    jobs.close()


def test_a_job_that_ends_workers_is_given_up_after_the_stated_tries(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs)
    states = []
    for _ in range(3):
        jobs.claim()
        jobs.crashed(job.id, 3, "it ended")
        states.append(jobs.get(job.id).state)
    assert states == [State.QUEUED, State.QUEUED, State.FAILED]
    assert jobs.get(job.id).reason == "it ended, 3 times"
    jobs.close()


def test_the_first_end_holds(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs)
    jobs.claim()
    assert jobs.finish(job.id, State.CANCELLED)
    assert not jobs.finish(job.id, State.COMPLETED)
    jobs.crashed(job.id, 3, "it ended")
    jobs.back(job.id)
    assert jobs.get(job.id).state is State.CANCELLED
    jobs.close()


def test_deleting_leaves_no_trace(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs, "verysecretname.mp4")
    again = jobs.again(job, {"modalities": ["audio"]})
    for one in (job, again):
        (jobs.results(one)).mkdir(parents=True)
        (jobs.results(one) / "timeline.json").write_text("what she said")
    jobs.remove(job.id)
    assert not jobs.results(job).exists()
    assert jobs.get(again.id).given.recording.is_file()  # another analysis of it is still there
    jobs.remove(again.id)
    assert not jobs.home(job.given).exists()
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left
    assert not [p for p in left if b"verysecretname" in p.read_bytes() or job.id.encode() in p.read_bytes()]
    with pytest.raises(KeyError):
        jobs.again(job, {})
    jobs.close()


def test_what_a_killed_server_left_is_removed_and_no_more(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    job = _upload(jobs)
    jobs.incoming().joinpath("recording.mp4").write_bytes(b"half")
    (tmp_path / "recordings" / "orphan").mkdir()
    gone = jobs.home(job.given) / "results" / "gone"
    gone.mkdir(parents=True)
    jobs.results(job).mkdir()
    jobs.close()
    again = Jobs(tmp_path)
    assert [p.name for p in (tmp_path / "recordings").iterdir()] == [job.given.id]
    assert [*(tmp_path / "incoming").iterdir()] == []
    assert not gone.exists()
    assert again.results(job).is_dir()
    assert again.get(job.id).given.recording.is_file()
    again.close()


def test_a_recording_elsewhere_is_never_removed(tmp_path: Path) -> None:
    mine = tmp_path / "talk.mp4"
    mine.write_bytes(b"a voice")
    jobs = Jobs(tmp_path / "data")
    job = jobs.add("talk.mp4", mine, None, OPTIONS)
    jobs.remove(job.id)
    assert mine.read_bytes() == b"a voice"
    assert [*(tmp_path / "data" / "recordings").iterdir()] == []
    jobs.close()
