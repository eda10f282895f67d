import csv
from collections import defaultdict
from pathlib import Path

import pytest

from affectline.segment.language import warnings_for


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Guten Tag, wie geht es Ihnen heute? Ich bin sehr müde.", "German"),
        ("Je ne sais pas ce que tu veux dire par là.", "French"),
        ("我不知道你在说什么 今天天气很好 我们去公园吧", "Chinese"),
        ("HOLA, ¿CÓMO ESTÁS? YO ESTOY MUY BIEN, GRACIAS.", "Spanish"),
    ],
)
def test_words_of_another_language_are_warned_of(text: str, name: str) -> None:
    (warning,) = warnings_for(text)
    assert f"look like {name} (p=0.9" in warning
    assert "trained on English" in warning


@pytest.mark.parametrize("text", ["", "ok", "Ja", "Oh my God! No way!", "ANYHOW IT WAS REALLY GOOD"])
def test_english_and_too_few_words_are_not(text: str) -> None:
    assert warnings_for(text) == ()


def test_a_given_language_is_believed() -> None:
    german = "Guten Tag, wie geht es Ihnen heute? Ich bin sehr müde."
    assert warnings_for(german, given="en-GB") == ()
    assert warnings_for("hello", given="de") == (
        "language: it is German; the checkpoint was trained on English",
    )
    assert warnings_for(german, trained={"de", "en"}) == ()


@pytest.mark.corpus
def test_no_english_conversation_is_taken_for_another_language(data: Path) -> None:
    dialogues = defaultdict(list)
    with (data / "meld" / "dev_sent_emo.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            dialogues[row["Dialogue_ID"]].append(row["Utterance"])
    texts = [
        *(" ".join(said) for said in dialogues.values()),
        *(text for said in dialogues.values() for text in said),
    ]
    assert len(texts) > 1000
    assert [text for text in texts if warnings_for(text)] == []
