"""From conversations to arrays. Each extractor makes one stream; `extract` is the only place they are run."""

import hashlib
from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from affectline.batch import Features
from affectline.features.store import Store
from affectline.types import Conversation

Item = tuple[Conversation, int]
"""An utterance in its conversation."""

Array = Shaped[np.ndarray, "_time ..."]

Progress = Callable[[str, int, int], None]
"""Is told the stream, and how many of how many utterances are done."""

CHUNK = 64
"""Utterances given to an extractor at once: what is lost, at most, when a long extraction is interrupted."""


@runtime_checkable
class Extractor(Protocol):
    """A frozen dataclass: its `repr` names its settings, and is with `content` the key of what it makes.

    A field that does not change the result, such as a device, is declared with `field(repr=False)`.
    """

    @property
    def stream(self) -> str: ...  # "audio.compare": the modality, a dot, what it is
    @property
    def shape(self) -> tuple[int, ...]: ...  # of one time step
    @property
    def dtype(self) -> type[np.generic]: ...
    @property
    def stored(self) -> bool: ...  # False for raw streams: a store holds embeddings, not faces or words

    def content(self, conversation: Conversation, index: int) -> str | None:
        """A hash of all that this extractor reads of the utterance; None where there is nothing to read."""
        ...

    def __call__(self, items: Sequence[Item]) -> list[Array]:
        """One array per utterance, each (time, *shape); of length 0 where nothing could be found."""
        ...


def extract(
    conversations: Sequence[Conversation],
    extractors: Sequence[Extractor],
    *,
    store: Store | None = None,
    memo: MutableMapping[str, Array] | None = None,
    progress: Progress | None = None,
) -> list[list[Features]]:
    """Run every extractor on every utterance: one list per conversation, one mapping per utterance.

    What is missing, declared or in fact, gives an array of length 0. Equal content is computed once: within
    this call; over calls that are given the same `memo`, as explanations do; for good with a `store`.
    Utterances of equal content share one array, so do not write into it.

    Raises:
        ValueError: if two extractors make the same stream, or one breaks its own shape or makes a NaN.
    """
    streams = [extractor.stream for extractor in extractors]
    if len(set(streams)) < len(streams):
        raise ValueError(f"each stream can be extracted once, got {streams}; drop or rename one")
    memo = {} if memo is None else memo
    items = [(c, n) for c in conversations for n in range(len(c))]
    columns = [_column(extractor, items, store, memo, progress) for extractor in extractors]
    rows = iter([dict(zip(streams, row, strict=True)) for row in zip(*columns, strict=True)])
    return [[next(rows, {}) for _ in c] for c in conversations]


def content_of(extractor: Extractor, conversation: Conversation, index: int) -> str | None:
    """A hash of what an extractor reads of an utterance; None where that is missing, declared or in fact."""
    there = conversation.utterances[index].has(extractor.stream)
    return extractor.content(conversation, index) if there else None


def _column(
    extractor: Extractor,
    items: Sequence[Item],
    store: Store | None,
    memo: MutableMapping[str, Array],
    progress: Progress | None,
) -> list[Array]:
    keys = [_key(extractor, *item) for item in items]
    wanted = {key: item for key, item in zip(keys, items, strict=True) if key is not None and key not in memo}
    if store is not None and extractor.stored:
        memo.update(store.read(wanted))
    todo = [key for key in wanted if key not in memo]
    for start in range(0, len(todo), CHUNK):
        chunk = todo[start : start + CHUNK]
        made = _run(extractor, {key: wanted[key] for key in chunk})
        memo.update(made)
        if store is not None and extractor.stored:
            store.write(made)
        if progress is not None:
            progress(extractor.stream, start + len(chunk), len(todo))
    nothing = np.zeros((0, *extractor.shape), extractor.dtype)
    return [nothing if key is None else memo[key] for key in keys]


def _key(extractor: Extractor, conversation: Conversation, index: int) -> str | None:
    content = content_of(extractor, conversation, index)
    if content is None:
        return None
    return f"{extractor.stream}-{hashlib.sha256(f'{extractor!r} {content}'.encode()).hexdigest()}"


def _run(extractor: Extractor, items: dict[str, Item]) -> dict[str, Array]:
    arrays = extractor(list(items.values()))
    if len(arrays) != len(items):
        raise ValueError(f"{extractor!r} made {len(arrays)} arrays for {len(items)} utterances")
    for array, (conversation, index) in zip(arrays, items.values(), strict=True):
        if array.shape[1:] != extractor.shape or array.dtype != extractor.dtype:
            raise ValueError(
                f"{extractor!r} made {array.dtype} {array.shape} for {conversation.utterances[index].id!r}, "
                f"but declares {np.dtype(extractor.dtype)} (time, {', '.join(map(str, extractor.shape))})"
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"{extractor!r} made a NaN or an infinity for {conversation.utterances[index].id!r}; repair "
                f"what it reads, or name {extractor.stream} in what that utterance is `missing`"
            )
    return dict(zip(items, arrays, strict=True))
