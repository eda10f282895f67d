"""Checks what `make demo` printed and wrote.

python .ci/check_demo.py PRINTED FOLDER
"""

import json
import sys
from pathlib import Path

printed, folder = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2])
timeline = json.loads((folder / "timeline.json").read_text(encoding="utf-8"))
utterances = timeline["utterances"]
report = (folder / "report.html").read_text(encoding="utf-8")
subtitles = Path("examples/demo.srt").read_text(encoding="utf-8")

checks = {
    "version 1": timeline["version"] == 1,
    "two speakers": len(timeline["speakers"]) == 2,
    "an utterance per subtitle, 8 or more": len(utterances) == subtitles.count("-->") >= 8,
    "text, audio and video in every utterance": all(
        {*u["modalities"]} == {"text", "audio", "video"} for u in utterances
    ),
    "a score in [0, 1] for every label": all(
        list(u["scores"]) == timeline["labels"] and all(0 <= s <= 1 for s in u["scores"].values())
        for u in utterances
    ),
    "more than one emotion in the story": len({e for u in utterances for e in u["emotions"]}) >= 3,
    "the table names both speakers": all(name in printed for name in ("Ada", "Ben")),
    "the paths are printed": all(name in printed for name in ("timeline.json", "report.html")),
    "the report is a whole page": report.lstrip().lower().startswith("<!doctype html>")
    and "</html>" in report,
    "the report needs no network": 'src="http' not in report and 'href="http' not in report,
}
for name, holds in checks.items():
    print("ok  " if holds else "FAIL", name)
sys.exit(0 if all(checks.values()) else 1)
