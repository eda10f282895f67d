"""Where a model looked when it judged an utterance, as in the case study of MultiEMO (Appendix A.1).

Attention says where information could come from, not what moved the answer (Jain and Wallace, Attention is
not Explanation, NAACL 2019): it is shown beside explanations, and not judged as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

METHOD = "attention"


@dataclass(frozen=True, eq=False)
class Attention:
    """What one modality of an utterance looked at: shares of a modality of each utterance, which sum to one.

    `looks`: the modality that looked, or "all" for the utterance as a whole. `at`: the modalities that were
    looked at, in the rows of `shares`; `utterances`: the ids of its columns. Where a modality could see
    nothing of another one, that row is 0.
    """

    utterance: str
    looks: str
    at: tuple[str, ...]
    utterances: tuple[str, ...]
    shares: Float[np.ndarray, "modality utterance"]

    def document(self) -> dict[str, Any]:
        """Plain JSON for the timeline: see docs/contracts.md."""
        return {
            "modality": METHOD,
            "method": METHOD,
            "emotion": None,
            "looks": self.looks,
            "parts": [
                {"name": name, "utterance": utterance, "weight": round(float(share), 5)}
                for name, row in zip(self.at, self.shares, strict=True)
                for utterance, share in zip(self.utterances, row, strict=True)
            ],
        }

    def most(self, count: int = 3) -> list[tuple[str, str, float]]:
        """The utterances and modalities that were looked at most, with their shares."""
        order = np.argsort(-self.shares, axis=None, kind="stable")[:count]
        places = [np.unravel_index(n, self.shares.shape) for n in order]
        return [(self.utterances[u], self.at[m], float(self.shares[m, u])) for m, u in places]


def documents(found: Sequence[Attention]) -> list[dict[str, Any]]:
    """Of all that looked."""
    return [one.document() for one in found]
