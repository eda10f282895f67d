"""The language of the words, and a warning where the checkpoint never saw it."""

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

TRAINED = frozenset({"en"})
"""What the shipped checkpoint was trained on."""

ENOUGH = 30  # bytes of UTF-8
SURE = 0.9  # of 2,610 MELD test utterances none is taken for another language at this probability
LONGEST = 20_000  # characters that are looked at

NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip


def warnings_for(
    text: str, *, given: str | None = None, trained: Collection[str] = TRAINED
) -> tuple[str, ...]:
    """A warning where words are not in a language that the checkpoint was trained on.

    `given`: the code of the language (ISO 639-1), where the user says it; else it is detected, and short or
    doubtful words warn of nothing.
    """
    known = " and ".join(sorted(NAMES.get(code, code) for code in trained))
    if given is not None:
        if given.lower().split("-")[0] in trained:
            return ()
        return (f"language: it is {_name(given)}; the checkpoint was trained on {known}",)
    if len(text.encode()) < ENOUGH:
        return ()
    code, probability = detect(text)
    if code in trained or probability < SURE:
        return ()
    return (
        f"language: the words look like {_name(code)} (p={min(probability, 0.99):.2f});"
        f" the checkpoint was trained on {known}",
    )


def detect(text: str) -> tuple[str, float]:
    """The code of the most probable language and its probability, by py3langid on up to 20,000 characters."""
    code, probability = _identifier().classify(text[:LONGEST].lower())
    return str(code), float(probability)


def _name(code: str) -> str:
    return NAMES.get(code.lower().split("-")[0], repr(code))


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
