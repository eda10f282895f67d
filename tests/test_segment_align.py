from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectline.media import FileClip, MemoryClip
from affectline.segment.align import lay
from affectline.segment.speech import RATE, detect
from affectline.segment.transcript import read
from affectline.types import Span

EXAMPLES = Path(__file__).parents[1] / "examples"

TEXTS = st.lists(st.text(alphabet="abcdeiouz .,?漢", max_size=60), min_size=1, max_size=30)


@st.composite
def speech(draw: st.DrawFn) -> list[Span]:
    spans, time = [], draw(st.floats(0, 5))
    for _ in range(draw(st.integers(1, 25))):
        length = draw(st.floats(0.25, 20))
        spans.append(Span(time, time + length))
        time += length + draw(st.floats(0.05, 8))
    return spans


@given(TEXTS, speech())
@settings(max_examples=50, deadline=None)
def test_rows_keep_their_order_begin_and_end_in_speech_and_cover_all_of_it(
    texts: list[str], spans: list[Span]
) -> None:
    laid = lay(texts, spans)
    assert len(laid) == len(texts)
    for before, after in pairwise(laid):
        assert before.end <= after.start + 1e-6
    for time in (t for span in laid for t in (span.start, span.end)):
        assert any(span.start - 1e-6 <= time <= span.end + 1e-6 for span in spans)
    total = sum(span.duration for span in spans)
    covered = sum(span.overlap(row) for span in spans for row in laid)
    assert abs(covered - total) < 1e-3 * max(1.0, total)


def test_a_boundary_goes_to_the_pause_near_it() -> None:
    """Rows of equal length, one spoken slower: proportion alone would cut inside its words."""
    spans = [Span(0.0, 2.0), Span(2.6, 5.4), Span(6.0, 8.0)]
    laid = lay(["kids are talking by the door"] * 3, spans)
    np.testing.assert_allclose([(s.start, s.end) for s in laid], [(s.start, s.end) for s in spans])


def test_a_short_breath_inside_a_row_is_no_boundary() -> None:
    spans = [Span(0.0, 1.9), Span(1.98, 3.9), Span(4.7, 8.6)]
    laid = lay(["kids are talking by the door again"] * 2, spans)
    np.testing.assert_allclose([(s.start, s.end) for s in laid], [(0.0, 3.9), (4.7, 8.6)])


def test_more_rows_than_pauses_are_laid_by_their_length() -> None:
    laid = lay(["ba", "babababa", "ba"], [Span(1.0, 10.0)])
    np.testing.assert_allclose([s.end for s in laid], [1 + 9 * 2 / 9, 1 + 9 * 7 / 9, 10.0])


def test_a_thousand_rows_over_an_hour_are_laid_at_their_pauses() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(["banana"] * int(n)) for n in rng.integers(2, 12, 1000)]
    spans, time = [], 0.0
    for text in texts:
        length = 0.2 * (1 + 3 * len(text.split())) * rng.uniform(0.85, 1.15)
        spans.append(Span(time, time + length))
        time += length + rng.uniform(0.3, 1.0)
    laid = lay(texts, spans)
    errors = [abs(a.start - b.start) for a, b in zip(laid, spans, strict=True)]
    assert np.mean(np.array(errors) < 0.5) > 0.95


def test_the_demo_without_its_times_is_laid_where_it_is_spoken() -> None:
    rows = read(EXAMPLES / "demo.srt").rows
    laid = lay([row.text or "" for row in rows], detect(FileClip(EXAMPLES / "demo.mp4")).spans)
    assert _errors(laid, [(row.start, row.end) for row in rows]).mean() < 0.2


@pytest.mark.corpus
def test_joined_sentences_of_an_actor_are_laid_where_they_are_spoken(data: Path) -> None:
    sentences = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
    files = sorted((data / "ravdess" / "Actor_15").glob("*.flac"))[::8]
    sounds = [FileClip(file).waveform(RATE) for file in files]
    starts = np.cumsum([0, *(len(sound) for sound in sounds)]) / RATE
    alone = [detect(MemoryClip(sound, RATE)).spans for sound in sounds]
    true = [
        (start + spans[0].start, start + spans[-1].end) for start, spans in zip(starts, alone, strict=False)
    ]
    texts = [sentences[file.stem.split("-")[4]] for file in files]
    laid = lay(texts, detect(MemoryClip(np.concatenate(sounds), RATE)).spans)
    assert _errors(laid, true).mean() < 0.2


def _errors(laid: list[Span], true: list) -> np.ndarray:
    return np.abs(np.array([(span.start, span.end) for span in laid]) - np.array(true))
