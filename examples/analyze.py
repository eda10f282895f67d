"""A recording to a timeline, from Python.

python examples/analyze.py [RECORDING [TRANSCRIPT]]
"""

import sys
from pathlib import Path

from affectline import Analyzer

HERE = Path(__file__).parent


def main() -> None:
    recording, transcript = HERE / "demo.mp4", HERE / "demo.srt"
    if len(sys.argv) > 1:
        recording, transcript = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    timeline = Analyzer.load("base").analyze(recording, transcript=transcript)

    for utterance in timeline.utterances:
        emotions = ", ".join(utterance.emotions) or "none over its threshold"
        sure = "abstained" if utterance.abstained else f"uncertainty {utterance.uncertainty:.2f}"
        print(f"{utterance.speaker}: {utterance.text}\n    {emotions} ({sure})")

    table = timeline.to_pandas()
    print(table.groupby("speaker")["valence"].mean())


if __name__ == "__main__":
    main()
