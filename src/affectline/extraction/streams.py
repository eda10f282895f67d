"""The streams that can be extracted by their names alone."""

from collections.abc import Callable, Sequence

from affectline.checkpoint import EXTRACTORS
from affectline.features import Extractor

NEED_SETTINGS = ("text.words", "text.encoded", "video.visextnet", "video.c3d")


def extractors_of(streams: Sequence[str], *, whole: bool = False) -> tuple[Extractor, ...]:
    """An extractor with its own settings for each; `whole`: the pictures of the corpus are faces.

    Raises:
        ValueError: there is no such stream, or its weights are not here.
        ImportError: an extra is missing.
    """
    from affectline.features.video_faces import seen_whole

    known = names()
    unknown = [stream for stream in streams if stream not in known]
    if unknown:
        raise ValueError(
            f"there is no stream {unknown[0]!r} to extract by its name; there are {', '.join(known)}. One "
            "that needs settings, such as weights: affectline.extraction.extract_table, from Python"
        )
    return seen_whole([known[stream]() for stream in streams], whole)


def names() -> dict[str, Callable[..., Extractor]]:
    """By the stream; those whose settings must be given (weights, a vocabulary) are not here."""
    found = {getattr(kind, "stream", None): kind for kind in EXTRACTORS.values()}
    return {s: kind for s, kind in found.items() if isinstance(s, str) and s not in NEED_SETTINGS}
