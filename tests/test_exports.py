import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pysubs2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from timeline_makers import talk

from affectline.exports import FORMATS, export
from affectline.timeline import Entry, Timeline
from affectline.types import Span

TIMED = ("vtt", "rttm", "eaf")
NASTY = (
    "comma, \"quote\" and 'apostrophe'",
    "two\nlines\r\n\r\nand a gap",
    "half a line\rend",
    "00:00:01.000 --> 00:00:02.000",
    "<v Eve>&amp; </script><script>alert(1)</script> ]]>",
    "שלום עולם, مرحبا",
    "🙂 Größe naïve 你好",
    "NOTE WEBVTT\tSTYLE",
    "bell \x07 and nul \x00",
    "",
)


def nasty(size: int = len(NASTY)) -> Timeline:
    timeline = talk(size, speakers=("S1", "S2"), texts=NASTY)
    first, second = timeline.speakers
    return replace(
        timeline, speakers=(replace(first, name="Zoë & <Ana>"), replace(second, name="名前\n--> B"))
    )


def spans(timeline: Timeline) -> list[Span]:
    return [u.span for u in timeline.utterances if u.span is not None]


def words(text: str | None) -> str:
    """What is left of a text when white space and control characters are all alike."""
    return " ".join(re.sub("[\x00-\x1f\ufffd]", " ", text or "").split())


def test_csv_read_by_pandas_is_the_table(tmp_path):
    timeline = nasty()
    export(timeline, "csv", tmp_path / "x.csv")
    table = pd.read_csv(tmp_path / "x.csv", keep_default_na=False)
    assert list(table["text"]) == [u.text for u in timeline.utterances]
    for name in ("id", "emotions", "start", "end", "joy", "valence", "abstained", "modalities"):
        assert list(table[name]) == list(timeline.to_pandas()[name])


def test_parquet_read_by_pandas_is_the_table(tmp_path):
    timeline = nasty()
    export(timeline, "parquet", tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), timeline.to_pandas())


def test_json_is_what_timeline_reads(tmp_path):
    timeline = talk(5, path=str(tmp_path / "talk.mp4"))
    export(timeline, "json", tmp_path / "x.json")
    assert Timeline.read(tmp_path / "x.json") == timeline


def test_vtt_has_one_cue_per_utterance_for_another_reader(tmp_path):
    timeline = nasty()  # less the one text that this reader, unlike the standard, takes for a time line
    timeline = replace(
        timeline, utterances=tuple(u for u in timeline.utterances if "-->" not in (u.text or ""))
    )
    export(timeline, "vtt", tmp_path / "x.vtt")
    events = list(pysubs2.load(str(tmp_path / "x.vtt"), keep_html_tags=True))
    assert [(e.start, e.end) for e in events] == [
        (round(s.start * 1000), round(s.end * 1000)) for s in spans(timeline)
    ]
    for event, u in zip(events, timeline.utterances, strict=True):
        voice = "Zoë &amp; &lt;Ana&gt;" if u.speaker == timeline.speakers[0].id else "名前 --&gt; B"
        assert event.text.startswith(f"<v {voice}>")
        assert all(emotion in event.text for emotion in u.emotions)


def test_no_text_makes_a_second_time_line(tmp_path):
    export(nasty(), "vtt", tmp_path / "x.vtt")
    blocks = (tmp_path / "x.vtt").read_text().strip().split("\n\n")
    assert blocks[0] == "WEBVTT"
    assert [block.count("-->") for block in blocks[1:]] == [1] * len(NASTY)


def test_vtt_writes_speaker_emotions_and_words(tmp_path):
    timeline = talk(1, texts=["Tea?"])
    [u] = timeline.utterances
    entry = replace(u, span=Span(3725.5, 3726.25), emotions=("joy", "surprise"), abstained=False)
    export(replace(timeline, utterances=(entry,)), "vtt", tmp_path / "x.vtt")
    expected = f"WEBVTT\n\n01:02:05.500 --> 01:02:06.250\n<v {u.speaker}>[joy, surprise] Tea?\n"
    assert (tmp_path / "x.vtt").read_text() == expected


def test_cues_are_in_order_of_time(tmp_path):
    timeline = talk(6)
    export(replace(timeline, utterances=timeline.utterances[::-1]), "vtt", tmp_path / "x.vtt")
    starts = re.findall(r"^(\S+) -->", (tmp_path / "x.vtt").read_text(), flags=re.MULTILINE)
    assert starts == sorted(starts)
    assert len(starts) == 6


def test_rttm_is_ten_fields_a_segment(tmp_path):
    timeline = replace(nasty(), source=replace(nasty().source, path="my talk.mp4"))
    export(timeline, "rttm", tmp_path / "x.rttm")
    rows = [line.split() for line in (tmp_path / "x.rttm").read_text().splitlines()]
    assert {len(row) for row in rows} == {10}
    assert {(row[0], row[1], row[2]) for row in rows} == {("SPEAKER", "my_talk", "1")}
    assert {row[7] for row in rows} == {"Zoë_&_<Ana>", "名前_-->_B"}
    found = [Span(float(row[3]), round(float(row[3]) + float(row[4]), 3)) for row in rows]
    assert found == spans(timeline)


def test_rttm_refuses_names_that_only_spaces_tell_apart(tmp_path):
    timeline = talk(8, speakers=("A B", "A_B"))
    with pytest.raises(ValueError, match="rename one"):
        export(timeline, "rttm", tmp_path / "x.rttm")


def eaf(timeline: Timeline, folder: Path) -> ET.Element:
    export(timeline, "eaf", folder / "x.eaf")
    return ET.parse(folder / "x.eaf").getroot()


def annotations(root: ET.Element, tier: str) -> list[tuple[str, dict[str, str]]]:
    found = root.findall(f"TIER[@TIER_ID='{tier}']/ANNOTATION/*")
    return [(a.findtext("ANNOTATION_VALUE") or "", a.attrib) for a in found]


def test_eaf_follows_the_order_and_the_references_of_version_3(tmp_path):
    root = eaf(nasty(), tmp_path)
    order = ("LICENSE", "HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LOCALE", "LANGUAGE", "CONSTRAINT")
    places = [order.index(child.tag) for child in root]
    assert places == sorted(places)
    assert {"AUTHOR", "DATE", "VERSION", "FORMAT"} <= root.attrib.keys()
    ids = [a.attrib["ANNOTATION_ID"] for a in root.iterfind("TIER/ANNOTATION/*")]
    slots = [s.attrib["TIME_SLOT_ID"] for s in root.iterfind("TIME_ORDER/TIME_SLOT")]
    tiers = [t.attrib["TIER_ID"] for t in root.iterfind("TIER")]
    for names in (ids, slots, tiers):
        assert len(set(names)) == len(names)
    types = {t.attrib["LINGUISTIC_TYPE_ID"] for t in root.iterfind("LINGUISTIC_TYPE")}
    assert {t.attrib["LINGUISTIC_TYPE_REF"] for t in root.iterfind("TIER")} == types
    assert {t.attrib["PARENT_REF"] for t in root.iterfind("TIER[@PARENT_REF]")} < {*tiers}
    stereotypes = {c.attrib["STEREOTYPE"] for c in root.iterfind("CONSTRAINT")}
    assert {t.attrib["CONSTRAINTS"] for t in root.iterfind("LINGUISTIC_TYPE[@CONSTRAINTS]")} == stereotypes
    for a in root.iter("ALIGNABLE_ANNOTATION"):
        assert slots.index(a.attrib["TIME_SLOT_REF1"]) < slots.index(a.attrib["TIME_SLOT_REF2"])
    values = [int(s.attrib["TIME_VALUE"]) for s in root.iterfind("TIME_ORDER/TIME_SLOT")]
    assert values == sorted(values)


def test_eaf_holds_the_words_their_times_and_the_emotions_that_refer_to_them(tmp_path):
    timeline = talk(20, speakers=("S1", "S2", "S3"))
    root = eaf(timeline, tmp_path)
    times = {s.attrib["TIME_SLOT_ID"]: int(s.attrib["TIME_VALUE"]) for s in root.iter("TIME_SLOT")}
    for speaker in timeline.speakers:
        spoken, shown = annotations(root, f"words@{speaker.id}"), annotations(root, f"emotions@{speaker.id}")
        mine = [u for u in timeline.utterances if u.speaker == speaker.id]
        assert [value for value, _ in spoken] == [u.text for u in mine]
        starts = [times[a["TIME_SLOT_REF1"]] / 1000 for _, a in spoken]
        ends = [times[a["TIME_SLOT_REF2"]] / 1000 for _, a in spoken]
        assert list(zip(starts, ends, strict=True)) == [(u.start, u.end) for u in mine]
        assert [value for value, _ in shown] == [
            "abstained" if u.abstained else "|".join(u.emotions) for u in mine
        ]
        assert [a["ANNOTATION_REF"] for _, a in shown] == [a["ANNOTATION_ID"] for _, a in spoken]


def test_eaf_names_the_media_from_where_it_lies(tmp_path):
    timeline = talk(2, path=str(tmp_path / "deep" / "tälk & co.mp4"))
    (tmp_path / "deep" / "out").mkdir(parents=True)
    for folder, expected in (("deep", "./tälk & co.mp4"), ("deep/out", "../tälk & co.mp4")):
        media = eaf(timeline, tmp_path / folder).find("HEADER/MEDIA_DESCRIPTOR")
        assert media is not None
        assert media.attrib["RELATIVE_MEDIA_URL"] == expected
        assert str(tmp_path) not in media.attrib["MEDIA_URL"]
        assert media.attrib["MIME_TYPE"] == "video/mp4"


def test_eaf_keeps_utterances_of_one_speaker_apart_that_overlap(tmp_path):
    timeline = talk(4, speakers=("S1",))
    overlapping = [Span(0, 5), Span(1, 3), Span(4, 6), Span(5, 7)]
    entries = [replace(u, span=s) for u, s in zip(timeline.utterances, overlapping, strict=True)]
    root = eaf(replace(timeline, utterances=tuple(entries)), tmp_path)
    texts = [u.text for u in entries]
    assert [v for v, _ in annotations(root, "words@S1")] == [texts[0], texts[3]]
    assert [v for v, _ in annotations(root, "words@S1 (2)")] == [texts[1], texts[2]]
    assert root.find("TIER[@TIER_ID='emotions@S1 (2)']").attrib["PARENT_REF"] == "words@S1 (2)"  # pyright: ignore


def test_speakers_of_one_name_stay_two(tmp_path):
    timeline = talk(8)
    twins = replace(timeline, speakers=tuple(replace(s, name="Ana") for s in timeline.speakers))
    tiers = {t.attrib["TIER_ID"] for t in eaf(twins, tmp_path).iterfind("TIER")}
    assert {"words@Ana (S1)", "words@Ana (S2)"} < tiers


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_any_text_and_name_survive_every_format(tmp_path, text, name):
    timeline = talk(2, speakers=("S1",), texts=[text])
    timeline = replace(timeline, speakers=(replace(timeline.speakers[0], name=name),))
    read = {format: _text_of_first(timeline, format, tmp_path) for format in FORMATS if format != "rttm"}
    assert read["json"] == read["parquet"] == text
    for format in ("vtt", "eaf"):
        assert words(read[format]) == words(_xml(text))
    if "\x00" not in text:
        assert read["csv"] == text


def _xml(text: str) -> str:
    return re.sub("[\ufffe\uffff]", " ", text)


def _text_of_first(timeline: Timeline, format: str, folder: Path) -> str | None:
    path = folder / f"x.{format}"
    export(timeline, format, path)
    if format == "json":
        return Timeline.read(path).utterances[0].text
    if format == "csv":
        return str(pd.read_csv(path, keep_default_na=False, dtype=str).at[0, "text"])
    if format == "parquet":
        return str(pd.read_parquet(path).at[0, "text"])
    if format == "eaf":
        return ET.parse(path).findtext("TIER/ANNOTATION/*/ANNOTATION_VALUE")
    cue = path.read_text().split("\n\n")[1].split("\n", maxsplit=1)[1]
    fragment = ET.fromstring(f"<c>{_xml(_without_controls(cue[cue.index('>') + 1 :]))}</c>")
    return (
        re.sub(r"^\[[^]]*\] ?", "", fragment.text or "") if _marked(timeline.utterances[0]) else fragment.text
    )


def _without_controls(text: str) -> str:
    return re.sub("[\x00-\x1f]", " ", text)


def _marked(u: Entry) -> bool:
    return u.abstained or bool(u.emotions)


@pytest.mark.parametrize("format", TIMED)
def test_formats_of_time_refuse_a_conversation_without_times(tmp_path, format):
    with pytest.raises(
        ValueError, match=f"{format} needs a start and an end.*write csv, parquet, json or html"
    ):
        export(talk(3, timed=False), format, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {*TIMED}))
def test_the_other_formats_do_without_times(tmp_path, format):
    export(talk(3, timed=False), format, tmp_path / "x")
    assert (tmp_path / "x").stat().st_size > 0


def test_an_unknown_format_is_named_with_those_that_there_are(tmp_path):
    with pytest.raises(
        ValueError, match="unknown format 'srt'; there are json, csv, parquet, vtt, eaf, rttm"
    ):
        export(talk(1), "srt", tmp_path / "x.srt")
