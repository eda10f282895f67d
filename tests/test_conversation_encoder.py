from collections.abc import Sequence
from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from affectline.batch import collate
from affectline.corpora.synthetic import LABELS
from affectline.features import extract
from affectline.features.text_turns import Turns
from affectline.nn.conversation_encoder import MARGIN, READS, ConversationEncoder, windows
from affectline.nn.minilm import load_minilm, load_tokenizer
from affectline.types import Conversation, Utterance

SAID = ["I got the job!", "You did? Wow.", "I start on Monday.", "And what about the cat?"]


def talk(said: Sequence[str | None], name: str = "talk") -> Conversation:
    speakers = ("Rachel", "Ross")
    turns = (Utterance(id=f"{name}.{n}", speaker=speakers[n % 2], text=t) for n, t in enumerate(said))
    return Conversation(name, tuple(turns))


def encoded(encoder: ConversationEncoder, *conversations: Conversation) -> Tensor:
    batch = collate(conversations, extract(conversations, (Turns(),)), LABELS)
    stream = batch.streams["text.turns"]
    with torch.inference_mode():
        return encoder(stream.values, stream.mask)


def test_an_utterance_is_the_mean_of_its_pieces_in_one_pass_over_all() -> None:
    encoder = ConversationEncoder().eval()
    ours = encoded(encoder, talk([*SAID]))[0]
    tokenizer, network = load_tokenizer(), load_minilm()
    pieces = [tokenizer.encode(f"{u.speaker}: {u.text}").ids for u in talk([*SAID])]
    number = torch.tensor([n for n, part in enumerate(pieces) for _ in part])
    slopes = [4 * (1 / 80) ** (head / 11) for head in range(12)]
    with torch.inference_mode():
        states = network(
            input_ids=torch.tensor([[p for part in pieces for p in part]]),
            position_ids=torch.tensor([[n for part in pieces for n in range(len(part))]]),
            attention_mask=torch.stack([-s * (number[:, None] - number).abs() for s in slopes])[None],
        ).last_hidden_state[0]
    theirs = torch.stack([part.mean(dim=0) for part in states.split([len(p) for p in pieces])])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_an_utterance_alone_is_what_minilm_makes_of_the_sentence() -> None:
    (alone,) = encoded(ConversationEncoder().eval(), talk(["I got the job!"]))[0]
    ids = torch.tensor([load_tokenizer().encode("I got the job!").ids])
    with torch.inference_mode():
        expected = load_minilm()(input_ids=ids).last_hidden_state[0].mean(dim=0)
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-5)


def test_a_conversation_reads_the_same_alone_and_beside_another() -> None:
    encoder = ConversationEncoder().eval()
    short, long = talk(["Hi!"], "short"), talk([*SAID, *SAID], "long")
    together = encoded(encoder, short, long)
    torch.testing.assert_close(together[0, :1], encoded(encoder, short)[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together[1], encoded(encoder, long)[0], rtol=1e-4, atol=1e-5)
    assert not together[0, 1:].any()


def test_what_is_said_before_and_after_changes_an_utterance_and_so_does_who_says_it() -> None:
    encoder = ConversationEncoder().eval()
    here = encoded(encoder, talk(["Oh.", "I see.", "Well."]))[0, 1]
    for other in (talk(["Great!", "I see.", "Well."]), talk(["Oh.", "I see.", "Never!"])):
        assert (encoded(encoder, other)[0, 1] - here).abs().max() > 1e-3
    renamed = talk(["Oh.", "I see.", "Well."]).edit(1, speaker="Monica")
    assert (encoded(encoder, renamed)[0, 1] - here).abs().max() > 1e-3


def test_who_speaks_is_read_only_where_somebody_else_speaks_too() -> None:
    def pieces(*speakers: str) -> list[int]:
        said = talk(["I see.", "Well."][: len(speakers)])
        turns = tuple(replace(u, speaker=s) for u, s in zip(said, speakers, strict=True))
        return extract([replace(said, utterances=turns)], (Turns(),))[0][0]["text.turns"].tolist()

    assert pieces("Rachel", "Rachel") == pieces("Monica") != pieces("Rachel", "Ross")
    assert pieces("Rachel", "Ross") != pieces("Monica", "Ross")


def test_an_utterance_without_words_is_zero_and_the_others_do_not_know_it() -> None:
    encoder = ConversationEncoder().eval()
    whole = talk(["Oh.", None, "Well.", "Right."])
    kept = Conversation("talk", tuple(u for u in whole if u.text))
    with_gap = encoded(encoder, whole)[0]
    assert not with_gap[1].any()
    torch.testing.assert_close(with_gap[[0, 2, 3]], encoded(encoder, kept)[0], rtol=1e-4, atol=1e-5)


def test_a_batch_without_any_words_is_zero() -> None:
    assert not encoded(ConversationEncoder().eval(), talk([None, None])).any()


def test_a_conversation_longer_than_the_encoder_reads_is_read_in_windows() -> None:
    encoder = ConversationEncoder().eval()
    long = [f"Number {n}, and then some more words about the weather." for n in range(120)]
    whole = encoded(encoder, talk([*long]))[0]
    assert whole.abs().sum(dim=1).min() > 1
    other = encoded(encoder, talk([*long[:60], long[60].replace("weather", "money"), *long[61:]]))[0]
    changed = (other - whole).abs().amax(dim=1) > 1e-4
    assert changed[55:65].all()
    assert not changed[:20].any()
    assert not changed[100:].any()


@given(st.lists(st.integers(0, MARGIN), max_size=200))
def test_windows_keep_every_utterance_once_and_fit(lengths: list[int]) -> None:
    kept = []
    for w in windows(lengths):
        assert sum(lengths[w.first : w.last]) <= READS
        assert w.first <= w.begin < w.end <= w.last
        kept += range(w.begin, w.end)
    assert kept == list(range(len(lengths)))


@given(st.lists(st.integers(1, 20), min_size=100, max_size=200))
def test_what_is_kept_has_context_on_both_sides(lengths: list[int]) -> None:
    for w in windows(lengths):
        before, after = sum(lengths[w.first : w.begin]), sum(lengths[w.end : w.last])
        assert before > MARGIN - 20 or w.first == 0
        assert after > MARGIN - 20 or w.last == len(lengths)
