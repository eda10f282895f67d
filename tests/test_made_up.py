from collections import Counter

import numpy as np

from affectline.batch import Features
from affectline.recipes import Data
from affectline.recipes.made_up import MADE_UP, MadeUp
from affectline.types import Conversation, Utterance

STREAMS = ("text.vector", "audio.vector")
MOODS = ("joy", "anger", "fear")


def lone(
    corpus: str, n: int, mood: str | None, stream: str
) -> tuple[Conversation, list[dict[str, np.ndarray]]]:
    """One utterance of a mood that has one stream, whose vector is n."""
    emotions = None if mood is None else frozenset({mood})
    talk = Conversation(
        f"{corpus}/{n}", (Utterance(id=f"{n}", speaker="A", emotions=emotions),), corpus=corpus
    )
    has = {s: np.full((int(s == stream), 1), n, np.float32) for s in STREAMS}
    return talk, [has]


def corpora(size: int = 300) -> Data:
    words = [lone("comments", n, MOODS[n % 3], "text.vector") for n in range(size)]
    voices = [lone("takes", n, MOODS[n % 3], "audio.vector") for n in range(size)]
    talks, features = zip(*words, *voices, lone("comments", size, None, "text.vector"), strict=True)
    return Data(talks, features)


def lent(data: Data, made: MadeUp) -> list[tuple[Conversation, Features]]:
    after = made(data)
    assert list(after.conversations[: len(data.conversations)]) == list(data.conversations)
    rows = zip(after.conversations, after.features, strict=True)
    return [(c, row[0]) for c, row in rows if c.corpus == MADE_UP]


def test_each_host_gets_a_voice_that_shows_its_emotion_and_keeps_its_words() -> None:
    data = corpora()
    found = lent(data, MadeUp(("comments",), {"audio.vector": 1.0}))
    known = [(c, f) for c, f in found if c.utterances[0].emotions]
    assert len(known) == 300
    for talk, features in known:
        mood = next(iter(talk.utterances[0].emotions or ()))
        assert MOODS[int(features["audio.vector"].item()) % 3] == mood
        assert features["text.vector"].item() == int(talk.utterances[0].id)
    assert len({c.id for c in data.conversations} | {c.id for c, _ in found}) == len(data.conversations) + 301


def test_some_of_what_is_lent_shows_anything() -> None:
    """Of what is not to agree a third does all the same, as there are three moods."""
    found = lent(corpora(3000), MadeUp(("comments",), {"audio.vector": 0.4}))
    agree = [
        MOODS[int(f["audio.vector"].item()) % 3] in (c.utterances[0].emotions or ()) for c, f in found[:3000]
    ]
    assert abs(np.mean(agree) - (0.4 + 0.6 / 3)) < 0.04
    assert min(Counter(int(f["audio.vector"].item()) % 3 for _, f in found[:3000]).values()) > 900


def test_nothing_is_lent_where_nothing_is_known_or_nobody_shows_it() -> None:
    data = corpora()
    talk, features = lone("comments", 900, "disgust", "text.vector")
    data = Data([*data.conversations, talk], [*data.features, features])
    found = {c.id: f for c, f in lent(data, MadeUp(("comments",), {"audio.vector": 1.0}))}
    for n in (300, 900):
        assert not len(found[f"comments/{n}, {MADE_UP}"]["audio.vector"])


def test_the_same_seed_lends_the_same_and_another_something_else() -> None:
    made = [lent(corpora(), MadeUp(("comments",), {"audio.vector": 1.0}, seed)) for seed in (0, 0, 1)]
    voices = [[f["audio.vector"].tolist() for _, f in found] for found in made]
    assert voices[0] == voices[1] != voices[2]
