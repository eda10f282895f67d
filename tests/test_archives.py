"""Official archives: what of them is unpacked, what is refused, and what a stop half-way leaves."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from doctor_makers import made_meld, made_ravdess

from affectline import archives
from affectline.archives import UNFINISHED, unpack
from affectline.cli import main
from affectline.corpora import meld, ravdess


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
