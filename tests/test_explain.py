import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explain_makers import linear, model, spoken

from affectline.explain import Answers, explain, find
from affectline.explain.faithfulness import judge, summary
from affectline.explain.modalities import modalities
from affectline.explain.words import words
from affectline.types import Conversation, Modality, Utterance, Word

SAID = "what a truly lovely and rather dull day"
WEIGHTS = {"lovely": 0.4, "truly": 0.1, "dull": -0.2, "day": 0.05}
OTHERS = {"what", "a", "and", "rather"}


@pytest.mark.parametrize("method", ["lime", "shap"])
def test_the_weights_of_a_linear_model_are_recovered(method: str) -> None:
    """O-19: by their signs, their order and, but for the ridge, their size."""
    found = explain(words(spoken(SAID), 0), linear(WEIGHTS), method=method, samples=600, until_stable=False)
    by_name = dict(zip([p.name for p in found.parts], found.weights["joy"], strict=True))
    for name, weight in WEIGHTS.items():
        assert by_name[name] == pytest.approx(weight, abs=0.03)
    assert max(abs(by_name[name]) for name in OTHERS) < 0.02
    assert found.top("joy", 2) == ["lovely", "truly"]
    assert np.argmin(found.weights["joy"]) == [p.name for p in found.parts].index("dull")
    assert found.fit["joy"] > 0.99


def test_each_label_gets_its_own_weights_from_one_run_of_the_model() -> None:
    asked: list[int] = []
    predict = linear(WEIGHTS)

    def counted(conversations):
        asked.append(len(conversations))
        return predict(conversations)

    perturbation = words(spoken(SAID), 0)
    explain(perturbation, counted, emotions=["joy"], samples=200, until_stable=False)
    once, asked[:] = sum(asked), []
    both = explain(perturbation, counted, emotions=["anger", "joy"], samples=200, until_stable=False)
    assert sum(asked) == once < 202
    assert both.emotions == ("anger", "joy")
    np.testing.assert_allclose(both.weights["anger"], -both.weights["joy"], atol=1e-6)
    assert both.top("anger", 1) == ["dull"]
    assert both.probabilities == pytest.approx({"joy": 0.65, "anger": 0.35})


def test_what_holds_is_explained_where_nothing_is_asked() -> None:
    perturbation = words(spoken(SAID), 0)
    assert Answers(perturbation, linear(WEIGHTS)).emotions == ("joy",)
    assert Answers(perturbation, linear(WEIGHTS, bias=-0.1)).emotions == ("anger",)
    halves = model(lambda _c, _n: {"joy": 0.2, "anger": 0.3})
    assert Answers(perturbation, halves).emotions == ("anger",)  # none holds: the strongest


def test_probabilities_are_explained() -> None:
    """A word that takes a probability from .2 to .99 weighs .79: its logarithm 1.6, the log-odds 6."""
    predict = linear({"lovely": 0.79}, bias=0.2)
    found = explain(words(spoken(SAID), 0), predict, samples=300)
    assert found.weights["joy"].max() == pytest.approx(0.79, abs=0.05)


def test_a_planted_word_is_the_first_and_an_earlier_turn_is_found() -> None:
    conversation = spoken("i lost my purple umbrella", "oh no", "that is how it goes")

    def score(conversation: Conversation, index: int) -> dict[str, float]:
        before = " ".join(u.text or "" for u in conversation.utterances[:index])
        return {"sadness": 0.9 if "purple" in before.split() else 0.1}

    found = explain(words(conversation, 2, around=2), model(score), emotions=["sadness"], samples=400)
    assert found.top("sadness", 1) == ["purple"]
    turns = explain(words(conversation, 2, around=2, turns=True), model(score), emotions=["sadness"])
    best = turns.parts[int(turns.weights["sadness"].argmax())]
    assert (best.utterance, best.name) == ("u0001", "i lost my purple umbrella")
    own = [p for p in turns.parts if p.utterance == "u0003"]
    assert [p.name for p in own] == ["that", "is", "how", "it", "goes"]


def test_words_go_and_the_rest_stays_as_it_is() -> None:
    timed = tuple(Word(w) for w in ("So,", "no", "way!"))
    talk = spoken("hello", "So,  no\nway!").edit(1, words=timed)
    perturbation = words(talk, 1)
    everything = np.ones(3, bool)
    assert perturbation(everything) is talk
    changed = perturbation(np.array([True, False, True]))
    assert changed.utterances[1].text == "So,  way!"
    assert [w.text for w in changed.utterances[1].words] == ["So,", "way!"]
    assert changed.utterances[0] is talk.utterances[0]
    assert changed.utterances[1].clip is talk.utterances[1].clip
    assert perturbation(~everything).utterances[1].text == ""
    masked = perturbation.judge(np.array([True, False, True]))
    assert masked.utterances[1].text == "So,  [MASK]\nway!"


def test_it_stops_once_the_weights_are_stable_and_says_so() -> None:
    perturbation = words(spoken(SAID), 0)
    assert explain(perturbation, linear(WEIGHTS), samples=2000).samples == 250
    rng = np.random.default_rng(0)
    noise = model(lambda _c, _n: {"joy": rng.random()})
    assert explain(perturbation, noise, emotions=["joy"], samples=300).samples == 300


def test_a_seed_gives_the_same_weights_again() -> None:
    perturbation, predict = words(spoken(SAID), 0), linear(WEIGHTS)
    for method in ("lime", "shap"):
        a, b, c = (
            explain(perturbation, predict, method=method, samples=60, seed=seed, until_stable=False)
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(a.weights["joy"], b.weights["joy"])
        assert (a.weights["joy"] != c.weights["joy"]).any()


def test_faithful_weights_are_better_than_random_and_turned_round_they_are_worse() -> None:
    perturbation, predict = words(spoken(SAID), 0), linear(WEIGHTS)
    found = explain(perturbation, predict, samples=400)
    judged = judge(found, perturbation, predict, randomised=linear({"rather": 0.3})).faithfulness["joy"]
    assert judged.better == (True, True)
    assert judged.deletion_curve[0] == judged.insertion_curve[-1] == pytest.approx(0.65)
    assert judged.deletion_curve[1] == pytest.approx(0.25)  # "lovely" is the first to go
    assert judged.insertion_curve[1] == pytest.approx(0.7)  # and the first to come
    assert judged.stability is not None
    assert judged.sanity is not None
    assert judged.stability > 0.7  # words that weigh nothing have no order
    assert abs(judged.sanity) < 0.5
    wrong = replace(found, weights={"joy": -found.weights["joy"]})
    assert judge(wrong, perturbation, predict, stability=False).faithfulness["joy"].better == (False, False)


def test_areas_are_those_of_a_case_worked_by_hand() -> None:
    perturbation, predict = words(spoken("good bad"), 0), linear({"good": 0.4, "bad": -0.2}, bias=0.3)
    found = explain(perturbation, predict, emotions=["joy"], samples=50)
    judged = judge(found, perturbation, predict).faithfulness["joy"]
    assert judged.deletion_curve == pytest.approx((0.5, 0.1, 0.3))  # both, "bad", neither
    assert judged.deletion == pytest.approx((0.5 / 2 + 0.1 + 0.3 / 2) / 2)
    assert judged.insertion == pytest.approx((0.3 / 2 + 0.7 + 0.5 / 2) / 2)
    assert judged.deletion < judged.random_deletion < judged.insertion
    assert judged.absent == "[MASK]"


def test_modalities_share_what_the_answer_is_over_nothing() -> None:
    both = Conversation("x", (Utterance(id="u0001", speaker="A", text="a", missing=frozenset({"video"})),))

    def score(conversation: Conversation, index: int) -> dict[str, float]:
        missing = conversation.utterances[index].missing
        text, audio = Modality.TEXT not in missing, Modality.AUDIO not in missing
        return {"joy": 0.1 + 0.3 * text + 0.1 * audio + 0.2 * (text and audio)}

    found = modalities(both, 0, model(score), emotions=["joy"])
    assert [p.name for p in found.parts] == ["text", "audio"]
    np.testing.assert_allclose(found.weights["joy"], [0.4, 0.2])  # what both do together is shared
    assert found.samples == 4
    with pytest.raises(ValueError, match="one modality"):
        modalities(both.without("audio"), 0, model(score))


def test_a_summary_counts_what_is_better_than_random() -> None:
    row = {"modality": "text", "method": "lime", "parts": [{}] * 4, "fit": 0.5, "samples": 100}
    good = {**row, "deletion": 0.2, "insertion": 0.8, "random_deletion": 0.5, "stability": 0.9}
    half = {**good, "insertion": 0.4}
    small = {**good, "parts": [{}] * 3}
    (found,) = summary([good, half, small, row])
    assert (found["n"], found["deletion_better"], found["insertion_better"]) == (2, 1.0, 0.5)
    assert found["sanity"] is None


def test_what_moves_the_answer_little_is_judged_all_the_same() -> None:
    perturbation = words(spoken(SAID), 0)
    predict = linear({word: weight / 1e4 for word, weight in WEIGHTS.items()})
    judged = judge(explain(perturbation, predict, emotions=["joy"]), perturbation, predict, stability=False)
    (found,) = summary(judged.documents())
    assert (found["deletion_better"], found["insertion_better"]) == (1.0, 1.0)


def test_an_explanation_becomes_plain_json() -> None:
    found = explain(words(spoken(SAID), 0), linear(WEIGHTS), emotions=["joy", "anger"], samples=100)
    joy, anger = found.documents()
    assert (joy["emotion"], anger["emotion"]) == ("joy", "anger")
    assert joy["parts"][3]["name"] == "lovely"
    assert joy["parts"][3]["weight"] == pytest.approx(-anger["parts"][3]["weight"])
    assert {"modality", "method", "samples", "fit"} <= set(joy)


@pytest.mark.parametrize(
    ("texts", "index", "message"),
    [(["why"], 0, "one word"), (["  "], 0, "has no words"), (["a b", ""], 1, "'u0002' has no words")],
)
def test_too_few_words_are_refused(texts: list[str], index: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        words(spoken(*texts), index)


def test_what_cannot_be_explained_says_why() -> None:
    talk = spoken(SAID)
    perturbation = words(talk, 0)
    with pytest.raises(ValueError, match=r"no utterance 'u0099' in 'talk'; there are u0001 to u0001"):
        find(talk, "u0099")
    with pytest.raises(ValueError, match="knows no 'awe'; it knows joy, anger"):
        explain(perturbation, linear(WEIGHTS), emotions=["awe"])
    with pytest.raises(ValueError, match="no method 'grad'; there are lime, shap"):
        explain(perturbation, linear(WEIGHTS), method="grad")
    with pytest.raises(ValueError, match="5 samples cannot weigh 8 parts"):
        explain(perturbation, linear(WEIGHTS), samples=5)
    with pytest.raises(ValueError, match="random orders"):
        judge(explain(perturbation, linear(WEIGHTS)), perturbation, linear(WEIGHTS), orders=0)


def test_explanations_know_no_model() -> None:
    """They work for whatever predicts: nothing of models, their checkpoints or their recipes is imported."""
    folder = Path(__file__).parents[1] / "src" / "affectline" / "explain"
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.module if isinstance(node, ast.ImportFrom) else ""
            layer = (name or "").split(".")[:2]
            assert layer[1:] not in (["models"], ["checkpoint"], ["recipes"], ["nn"]), f"{path.name}: {name}"
