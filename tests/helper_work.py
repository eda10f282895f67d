"""What a helper's process imports: answers that do as they are told."""

import os
import time
from typing import Any

from affectline.server.helper import Answer, Question


def make() -> Answer:
    return answer


def answer(question: Question, content: bytes) -> dict[str, Any]:
    match question["do"]:
        case "end":
            os._exit(1)
        case "wait":
            time.sleep(question["seconds"])
        case "refuse":
            raise ValueError("that is not possible")
        case "stumble":
            raise KeyError("/etc/secret")
    return {"bytes": len(content), "pid": os.getpid(), "time": time.monotonic()}
