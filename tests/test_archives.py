"""Official archives: what of them is unpacked, what is refused, and what a stop half-way leaves."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from doctor_makers import MAKERS, ferplus_arrays, made_meld, made_mosi, made_ravdess

from affectline import archives
from affectline.archives import DOWNLOADS, UNFINISHED, unpack
from affectline.cli import main
from affectline.corpora import ferplus, find, meld, mosi, ravdess, table
from affectline.media import FileClip


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    """A .zip or a .tar.gz of these."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in files.items():
                file.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return path


def inside(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """MELD as it is published: archives of clips inside an archive, with much else."""
    made_meld(tmp_path / "whole")
    files = inside(tmp_path / "whole")
    outer = {f"MELD.Raw/{name}": content for name, content in files.items() if name.endswith(".csv")}
    for part, folder in meld.SPLITS.items():
        clips = {n: c for n, c in files.items() if n.startswith(f"{folder}/")}
        clips[f"{folder}/._dia0_utt0.mp4"] = b"of a Mac"
        inner = packed(tmp_path / f"{part}.tar.gz", clips)
        outer[f"MELD.Raw/{part}.tar.gz"] = inner.read_bytes()
    return packed(tmp_path / "MELD.Raw.tar.gz", {**outer, "MELD.Raw/README.txt": b"hello"})


def test_archives_inside_an_archive_become_what_the_reader_takes(official: Path, tmp_path: Path) -> None:
    assert main(["prepare", "meld", str(official), "--root", str(tmp_path / "data")]) == 2  # no folder
    (tmp_path / "data").mkdir()
    assert main(["prepare", "meld", str(official), "--root", str(tmp_path / "data")]) == 0
    assert inside(tmp_path / "data" / "meld") == inside(tmp_path / "whole")
    assert len(meld.read(tmp_path / "data" / "meld", "test")) == 3


def test_a_zip_and_a_folder_give_the_same(tmp_path: Path) -> None:
    made_ravdess(tmp_path / "whole")
    files = inside(tmp_path / "whole")
    wavs = {n: c for n, c in files.items() if n.endswith(".wav")}
    zipped = packed(tmp_path / "Audio_Speech_Actors_01-24.zip", wavs)
    unpack("ravdess", [zipped], tmp_path / "a")
    unpack("ravdess", [tmp_path / "whole"], tmp_path / "b")
    assert inside(tmp_path / "a") == inside(tmp_path / "b") == wavs
    assert ravdess.read(tmp_path / "a", "test")


def test_stopped_half_way_it_is_refused_until_it_is_whole(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, folder = official.read_bytes(), tmp_path / "data" / "meld"
    official.write_bytes(whole[: len(whole) * 2 // 3])  # a download that broke off
    with pytest.raises(ValueError, match=r"MELD\.Raw\.tar\.gz is damaged or not whole.*download it again"):
        unpack("meld", [official], folder)
    assert (folder / UNFINISHED).exists()
    assert main(["doctor", "meld", "--root", str(tmp_path / "data")]) == 2
    assert "was not unpacked to its end: give affectline prepare meld" in capsys.readouterr().err
    official.write_bytes(whole)
    written: list[Path] = []
    write = archives.atomic_write
    monkeypatch.setattr(archives, "atomic_write", lambda path, raw: (written.append(path), write(path, raw)))
    unpack("meld", [official], folder)
    assert inside(folder) == inside(tmp_path / "whole")
    assert 0 < len(written) < len(inside(folder))


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["../Actor_01/03-01-01.wav", "/Actor_01/03-01-01.wav", "a/../../b.txt"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    archive = packed(tmp_path / f"bad.{suffix}", {name: b"bad"})
    with pytest.raises(ValueError, match="a path that leads out of it"):
        unpack("ravdess", [archive], tmp_path / "in" / "ravdess")
    assert not list(tmp_path.rglob("*.wav"))


def test_links_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        entry = tarfile.TarInfo("Actor_01")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        file.addfile(entry)
    link = zipfile.ZipInfo("Actor_01")
    link.external_attr = 0xA1FF << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(link, "/etc")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(ValueError, match="holds a link"):
            unpack("ravdess", [tmp_path / name], tmp_path / "ravdess")


def test_another_archive_is_refused_and_what_to_get_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        ValueError, match=r"holds nothing of ravdess; that is in: Audio_Speech_Actors_01-24\.zip"
    ):
        unpack("ravdess", [packed(tmp_path / "a.zip", {"b.txt": b""})], tmp_path / "ravdess")
    assert main(["prepare", "ravdess"]) == 0
    said = capsys.readouterr().out
    assert "licence to accept: CC BY-NC-SA 4.0" in said
    assert "https://zenodo.org/records/1188976" in said


def mosi_archive(whole: Path, path: Path) -> Path:
    """As it is published: labels without names of columns, transcripts, clips in folders of their own."""
    made_mosi(whole)
    rows = [row for _, row in table(whole / "utterances.csv", mosi.COLUMNS)]
    labels = [f"0.5, 1.5, {r['video_id']}, {r['position']}, {r['sentiment']}" for r in rows]
    files = {"Raw/Labels/OpinionLevelSentiment.csv": "\n".join(labels).encode()}
    for video in {r["video_id"] for r in rows}:
        said = [f"{r['position']}_DELIM_{r['text']}" for r in rows if r["video_id"] == video]
        files[f"Raw/Transcript/Segmented/{video}.annotprocessed"] = "\n".join(said).encode()
    for clip in (whole / "clips").iterdir():
        files[f"Raw/Video/Segmented/{clip.name}"] = clip.read_bytes()
    return packed(path, {**files, "Raw/Audio/WAV_16000/Full/x.wav": b"RIFF"})


def mosi_folds(path: Path) -> Path:
    folds = {"standard_train_fold": "train", "standard_valid_fold": "val", "standard_test_fold": "test"}
    path.write_text("\n".join(f"{name} = ['{part}0', '{part}1']" for name, part in folds.items()))
    return path


def test_mosi_s_table_is_made_of_its_labels_transcripts_and_folds(tmp_path: Path) -> None:
    archive = mosi_archive(tmp_path / "whole", tmp_path / "CMU_MOSI.zip")
    unpack("mosi", [archive, mosi_folds(tmp_path / "cmu_mosi_std_folds.py")], tmp_path / "mosi")
    for split in mosi.SPLITS:
        made, wanted = mosi.read(tmp_path / "mosi", split), mosi.read(tmp_path / "whole", split)
        assert [c.id for c in made] == [c.id for c in wanted]
        for ours, theirs in zip(made, wanted, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert (a.id, a.text, a.sentiment, a.emotions) == (b.id, b.text, b.sentiment, b.emotions)
                assert isinstance(a.clip, FileClip)
                assert a.clip.path.name == f"{a.id}.mp4"
    assert not (tmp_path / "mosi" / "Raw").exists()


def test_mosi_without_its_folds_is_not_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = mosi_archive(tmp_path / "whole", tmp_path / "CMU_MOSI.zip")
    (tmp_path / "data").mkdir()
    assert main(["prepare", "mosi", str(archive), "--root", str(tmp_path / "data")]) == 1
    assert "still lacks cmu_mosi_std_folds.py: give all of the files in one call" in capsys.readouterr().err
    assert main(["doctor", "mosi", "--root", str(tmp_path / "data")]) == 2
    assert "was not unpacked to its end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("OpinionLevelSentiment.csv", "0, 1, val0, one, 2", r"line 1 must have a start, an end, a video"),
        ("OpinionLevelSentiment.csv", "0, 1, nobody, 1, 2", r"the video 'nobody' is in no fold"),
        ("OpinionLevelSentiment.csv", "0, 1, val0, 77, 2", r"the transcript of 'val0' has no line 77"),
        ("Transcript/Segmented/val0.annotprocessed", "HELLO", r"must be like 1_DELIM_IT WAS GOOD, and is"),
        ("cmu_mosi_std_folds.py", "standard_train_fold = 3", r"does not list videos as standard_train_fold"),
    ],
)
def test_what_is_wrong_in_mosi_s_files_is_said(tmp_path: Path, file: str, content: str, said: str) -> None:
    archive = mosi_archive(tmp_path / "whole", tmp_path / "a.zip")
    with zipfile.ZipFile(archive) as packed_files, zipfile.ZipFile(tmp_path / "b.zip", "w") as changed:
        for name in packed_files.namelist():
            changed.writestr(name, content if name.endswith(file) else packed_files.read(name))
    folds = mosi_folds(tmp_path / "cmu_mosi_std_folds.py")
    if file == folds.name:
        folds.write_text(content)
    with pytest.raises(ValueError, match=said):
        unpack("mosi", [tmp_path / "b.zip", folds], tmp_path / "mosi")


@pytest.mark.parametrize("corpus", ["mosei", "emoreact", "elderreact"])
def test_the_layout_of_an_archive_is_that_of_the_reader(tmp_path: Path, corpus: str) -> None:
    MAKERS[corpus](tmp_path / "whole")
    files = inside(tmp_path / "whole")
    noise = {"README.md": b"hello", "Raw/Audio/Full/WAV_16000/x.wav": b"RIFF", "Models/svm.pkl": b"no"}
    archive = packed(tmp_path / "a.zip", {f"published/{name}": c for name, c in {**files, **noise}.items()})
    unpack(corpus, [archive], tmp_path / corpus)
    moved = {n.removeprefix("Labels/") if n.endswith("_names.txt") else n: c for n, c in files.items()}
    assert inside(tmp_path / corpus) == moved
    module = find(corpus)
    for split in ("train", "dev", "test"):
        ids = [[u.id for c in module.read(tmp_path / where, split) for u in c] for where in ("whole", corpus)]
        assert ids[0] == ids[1] != []


def test_elderreact_is_taken_out_of_the_folders_of_its_repository(tmp_path: Path) -> None:
    MAKERS["elderreact"](tmp_path / "whole")
    files = inside(tmp_path / "whole")
    where = {"labels": "ElderReact-master/Annotations", "_audio": "ElderReact-master/Features/Audio_feat"}
    repository = {
        f"{where['labels' if 'labels' in n else '_audio']}/{n}": c for n, c in files.items() if "/" not in n
    }
    clips = {n: c for n, c in files.items() if n.endswith(".mp4")}
    archives = [packed(tmp_path / "a.zip", repository), packed(tmp_path / "b.tar.gz", clips)]
    unpack("elderreact", archives, tmp_path / "elderreact")
    assert inside(tmp_path / "elderreact") == files


def ferplus_files(folder: Path, drop: int = 0) -> dict[str, bytes]:
    """FER2013's table of pixels and FER+'s of votes, with one image that FER+ took out."""
    arrays = ferplus_arrays()
    usage = {"train": "Training", "dev": "PublicTest", "test": "PrivateTest"}
    seen = ["emotion,pixels,Usage"]
    judged = ["Usage,Image name," + ",".join(arrays["classes"])]
    for n, (image, votes, split) in enumerate(
        zip(arrays["images"], arrays["votes"], arrays["split"], strict=True)
    ):
        seen.append(f"0,{' '.join(map(str, image.reshape(-1)))},{usage[split]}")
        judged.append(f"{usage[split]},fer{n:07d}.png,{','.join(map(str, votes))}")
        if n == 3:
            seen.append(f"0,{' '.join(['0'] * 48 * 48)},{usage[split]}")
            judged.append(f"{usage[split]},,0,0,0,0,0,0,0,0,0,10")
    return {
        "fer2013.csv": "\n".join(seen).encode(),
        "fer2013new.csv": "\n".join(judged[: len(judged) - drop]).encode(),
    }


def test_ferplus_is_made_of_the_images_and_the_votes(tmp_path: Path) -> None:
    files = ferplus_files(tmp_path)
    images = packed(tmp_path / "fer2013.tar.gz", {"fer2013/fer2013.csv": files["fer2013.csv"]})
    votes = packed(
        tmp_path / "FERPlus-master.zip", {"FERPlus-master/fer2013new.csv": files["fer2013new.csv"]}
    )
    unpack("ferplus", [images, votes], tmp_path / "ferplus")
    with np.load(tmp_path / "ferplus" / "ferplus.npz", allow_pickle=False) as made:
        for name, array in ferplus_arrays().items():
            np.testing.assert_array_equal(made[name], array)
            assert made[name].dtype == array.dtype
    assert len(ferplus.read(tmp_path / "ferplus", "dev")) == 7


def test_ferplus_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    files = ferplus_files(tmp_path)
    with pytest.raises(ValueError, match=r"still lacks fer2013new\.csv"):
        unpack("ferplus", [packed(tmp_path / "a.zip", {"fer2013.csv": files["fer2013.csv"]})], tmp_path / "a")
    with pytest.raises(ValueError, match="have not as many lines; get both anew"):
        unpack("ferplus", [packed(tmp_path / "b.zip", ferplus_files(tmp_path, drop=1))], tmp_path / "b")
    mixed = {
        **files,
        "fer2013new.csv": files["fer2013new.csv"].replace(b"PublicTest,fer", b"Training,fer", 1),
    }
    with pytest.raises(ValueError, match=r"line 10: .*says 'PublicTest', and fer2013new\.csv 'Training'"):
        unpack("ferplus", [packed(tmp_path / "c.zip", mixed)], tmp_path / "c")
    small = {**files, "fer2013.csv": files["fer2013.csv"].replace(b"0 0 0 ", b"0 0 ", 1)}
    with pytest.raises(ValueError, match=r"pixels; there must be 48 x 48"):
        unpack("ferplus", [packed(tmp_path / "d.zip", small)], tmp_path / "d")


@pytest.mark.parametrize("corpus", sorted(DOWNLOADS))
def test_every_corpus_says_where_it_is_and_refuses_what_is_not_its_own(
    tmp_path: Path, corpus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", corpus]) == 0
    said, source = capsys.readouterr().out, find(corpus).SOURCE
    assert source.page in said
    assert f"licence to accept: {source.licence}" in said
    assert DOWNLOADS[corpus].files in said
    other = packed(tmp_path / "photos.zip", {"holiday/beach.jpg": b"x"})
    command = ["prepare", corpus, str(other), "--root", str(tmp_path)]
    assert main(command) == 1
    assert f"holds nothing of {corpus}; that is in: " in capsys.readouterr().err
    assert main([*command[:2], str(tmp_path / "absent.zip"), *command[3:]]) == 1
    assert "there is no file or folder" in capsys.readouterr().err
    assert main([*command[:4], str(tmp_path / "nowhere")]) == 2
    assert "the folder of the corpora" in capsys.readouterr().err
    assert set(DOWNLOADS) == TEN


TEN = {
    *("meld", "iemocap", "mosei", "mosi", "emoreact", "elderreact", "ravdess", "cremad", "goemotions"),
    "ferplus",
}
