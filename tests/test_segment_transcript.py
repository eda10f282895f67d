import csv
import io
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.segment.transcript import Row, TranscriptError, parse, read, seconds
from affectline.types import Span, Word

NAME = st.from_regex(r"[A-Z][a-zé]{1,8}( [A-Z][a-z]{1,6})?", fullmatch=True)
WORDS = st.lists(st.from_regex(r"[a-zA-Zàéüß'&<]{1,9}[,.!?]?", fullmatch=True), min_size=1, max_size=8)
TEXT = WORDS.map(" ".join)


@st.composite
def timed_rows(draw: st.DrawFn) -> list[tuple[str, float, float, str]]:
    rows, time = [], 0
    for _ in range(draw(st.integers(1, 6))):
        start = time + draw(st.integers(0, 5_000))
        end = start + draw(st.integers(1, 9_000))
        time = start + draw(st.integers(0, 9_000))  # rows may overlap
        rows.append((draw(NAME), start / 1000, end / 1000, draw(TEXT)))
    return rows


def clock(time: float, point: str) -> str:
    ms = round(time * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def as_vtt(rows: list[Row]) -> str:
    cues = [
        f"{clock(r.start or 0, '.')} --> {clock(r.end or 0, '.')} align:start\n"
        f"<v {r.speaker}>{escaped(r.text or '')}</v>\n"
        for r in rows
    ]
    return "WEBVTT\n\nNOTE made for a test\n\n" + "\n".join(cues)


def as_srt(rows: list[Row]) -> str:
    return "\n".join(
        f"{n}\n{clock(r.start or 0, ',')} --> {clock(r.end or 0, ',')}\n"
        f"{r.speaker}: {escaped(r.text or '')}\n"
        for n, r in enumerate(rows, start=1)
    )


def as_json(rows: list[Row]) -> str:
    return json.dumps([{"speaker": r.speaker, "start": r.start, "end": r.end, "text": r.text} for r in rows])


def as_csv(rows: list[Row], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows(
        [("speaker", "start", "end", "text"), *((r.speaker, r.start, r.end, r.text) for r in rows)]
    )
    return out.getvalue()


@given(timed_rows())
@settings(max_examples=25, deadline=None)
def test_rows_survive_every_format(made: list[tuple[str, float, float, str]]) -> None:
    rows = [Row(*row) for row in made]
    for suffix, content in {
        ".vtt": as_vtt(rows),
        ".srt": as_srt(rows),
        ".json": as_json(rows),
        ".csv": as_csv(rows),
        ".tsv": as_csv(rows, "\t"),
    }.items():
        assert list(parse(content, suffix).rows) == rows, suffix
    assert list(parse(as_csv(rows, ";"), ".csv").rows) == rows
    assert list(parse(as_srt(rows).replace("\n", "\r\n"), ".srt").rows) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marked_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "gespräch.csv"
    file.write_bytes("speaker,text\nJürgen,Schöne Grüße\n".encode(encoding))
    assert read(file).rows == (Row("Jürgen", None, None, "Schöne Grüße"),)


def test_one_cue_of_two_voices_is_two_rows() -> None:
    rows = parse(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Ann Lee>Hello <b>you</b>\n<v Bob>Hi\n", ".vtt"
    ).rows
    assert rows == (Row("Ann Lee", 1.0, 2.0, "Hello you"), Row("Bob", 1.0, 2.0, "Hi"))


def test_cues_without_empty_lines_or_text_are_kept_apart() -> None:
    times = [f"00:00:0{n},000 --> 00:00:0{n + 1},000" for n in (1, 2, 4)]
    content = f"1\n{times[0]}\n2\n{times[1]}\nyes\n3\n{times[2]}\n42\n"
    assert [(r.start, r.text) for r in parse(content, ".srt").rows] == [
        (1.0, None),
        (2.0, "yes"),
        (4.0, "42"),
    ]


def test_a_lone_colon_is_no_speaker_and_a_name_holds_until_the_next() -> None:
    def srt(*texts: str) -> str:
        return as_srt([Row("", n, n + 1, t) for n, t in enumerate(texts)]).replace("\n: ", "\n")

    lone = parse(srt("Listen", "Note: this is new", "Yes", "No"), ".srt").rows
    assert [r.speaker for r in lone] == [None] * 4
    named = parse(srt("ANNA: Hi", "BEN: Hello", "how are you", "ANNA: Good", "BEN: Fine"), ".srt").rows
    assert [r.speaker for r in named] == ["ANNA", "BEN", "BEN", "ANNA", "BEN"]
    assert named[2].text == "how are you"


def test_the_speaker_of_a_substation_event_is_its_name() -> None:
    content = (
        "[Script Info]\n\n[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
        "Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ann,0,0,0,,{\\i1}Hello{\\i0}\\Nyou\n"
    )
    assert parse(content, ".ass").rows == (Row("Ann", 1.0, 2.5, "Hello you"),)


def test_a_timeline_is_a_transcript() -> None:
    listed = [
        {"id": "u0001", "speaker": "S1", "start": 0.4, "end": 3.1, "text": "so what", "scores": {"joy": 0.8},
         "words": [{"text": "so", "start": 0.4, "end": 0.9}, {"text": "what", "start": None, "end": None}]},
        {"id": "u0002", "speaker": "S2", "start": 3.0, "end": 4.0, "text": None, "words": []},
    ]  # fmt: skip
    script = parse(json.dumps({"version": 1, "utterances": listed}), ".json")
    words = (Word("so", Span(0.4, 0.9)), Word("what"))
    assert script.rows == (Row("S1", 0.4, 3.1, "so what", words), Row("S2", 3.0, 4.0, None))
    assert script.ignored == ()


def test_columns_that_are_not_read_are_named() -> None:
    assert parse("text,emotion\nhello,joy\n", ".csv").ignored == ("emotion",)


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("12.5", 12.5),
        ("1:02", 62.0),
        ("01:00:00,250", 3600.25),
        (3, 3.0),
        ("", None),
        (None, None),
        ("1e-05", 1e-5),
    ],
)
def test_times_are_seconds_or_a_clock(value: object, time: float | None) -> None:
    assert seconds(value, "line 1", "start") == time


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        (".csv", "start,end,text\n0,1,a\n-0.5,1,b\n", r"line 3: start is -0.5; a time is 0 or later"),
        (".csv", "start,end,text\n2,1,a\n", r"line 2: the row starts at 2.0 and ends at 1.0"),
        (".csv", "start,end,text\n1,1,a\n", r"line 2: .* must end after its start"),
        (".csv", "start,end,text\nnow,1,a\n", r"line 2: start is 'now'; it must be seconds"),
        (".csv", "start,end,text\nnan,1,a\n", r"line 2: start is 'nan'"),
        (".csv", "start,end,text\n1,,a\n", r"line 2: start is 1.0 and end is None; a row has both"),
        (".csv", "start,end,text\n1,2,a\n,,b\n", r"line 3 has no times, 1 of 2 rows have"),
        (".csv", "who,said\nA,hello\n", r"no column 'text' among \['who', 'said'\]"),
        (".csv", "text,text\na,b\n", r"column 'text' is there twice"),
        (".csv", "speaker,text\nA,yes, no\n", r"line 2 has 3 cells and the header 2"),
        (".csv", "", r"has no rows"),
        (".csv", "speaker,text\n", r"has no rows"),
        (".srt", "no subtitles here", r"has no rows"),
        (".srt", "1\n00:00:01 -> 00:00:02\n00:00:01 --> soon\nhey\n", r"line 3: .* must be two times"),
        (".srt", "1\n00:00:03,000 --> 00:00:02,000\nhey\n", r"line 2: the row starts at 3.0 and ends at 2.0"),
        (".vtt", "WEBVTT\n\n-00:01.000 --> 00:02.000\nhey\n", r"line 3: start is -1.0"),
        (".json", "{", r"line 1: this is not JSON"),
        (".json", '{"rows": []}', r"a JSON transcript is a list"),
        (".json", "[1, 2]", r"a JSON transcript is a list"),
        (".json", '[{"word": "a"}]', r"no column 'text'"),
        (".json", '[{"text": "a", "words": ["a"]}]', r"row 1: words must be a list"),
        (".ttml", "not xml", r"not TTML"),
        (".docx", "hello", r"ends in '.docx' cannot be read; known are .srt"),
    ],
)  # fmt: skip
def test_bad_transcripts_say_where_and_what_to_do(
    tmp_path: Path, suffix: str, content: str, message: str
) -> None:
    file = tmp_path / f"talk{suffix}"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(TranscriptError, match=message):
        read(file)


def test_other_encodings_are_named_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "talk.csv"
    file.write_bytes("speaker,text\nA,ja\nJürgen,nein\n".encode("cp1252"))
    with pytest.raises(TranscriptError, match=r"line 3 of talk.csv holds the byte 0xfc, which is not UTF-8;"):
        read(file)
    file.write_bytes("speaker,text\nA,ja\n".encode("utf-16-le"))
    with pytest.raises(TranscriptError, match="zero bytes"):
        read(file)
    with pytest.raises(TranscriptError, match="no transcript"):
        read(tmp_path / "none.srt")


def test_a_hundred_thousand_lines_take_no_more_than_linear_time(tmp_path: Path) -> None:
    def took(count: int) -> float:
        file = tmp_path / "long.srt"
        file.write_text(
            as_srt([Row(f"S{n % 3}", n, n + 2, "so it is") for n in range(count)]), encoding="utf-8"
        )
        begin = time.process_time()
        assert len(read(file).rows) == count
        return time.process_time() - begin

    took(100)
    assert took(4_000) < 25 * took(400)  # quadratic would be 100 times
