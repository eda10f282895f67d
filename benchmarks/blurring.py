"""What is left of faces in the copies of `affectline blur`: as the detector, and as another one, sees them.

    python -m benchmarks.blurring

takes a clip of each of some videos of MOSI, and two scenes with more people. Every picture of a recording is
looked at: by our detector, whose faces should lie in what was blurred; and by scikit-image's cascade of local
binary patterns, which knows nothing of ours, in the recording and in its copy.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._record import parser, record

from affectline.blurring import EVERY, SMALLEST, blur_faces, boxes_at, detector
from affectline.media import FileClip
from affectline.nn.mtcnn import MTCNN
from affectline.segment.faces import SIDE, follow

SCENES = ("film_10s.mp4", "single_face.mp4")
VIDEOS = 8
LONGEST, RATE = 4.0, 2.5  # seconds that are looked at, and pictures a second for the other detector


def main() -> None:
    asked = parser(__doc__ or "").parse_args()
    clips = {path.name[:11]: path for path in sorted((asked.data / "mosi" / "clips").glob("*.mp4"))}
    chosen = {"MOSI": list(clips.values())[:VIDEOS], "scenes": [asked.data / "scenes" / n for n in SCENES]}
    finds, results = detector(), {}
    for name, recordings in chosen.items():
        rows = [measured(path, finds) for path in recordings if path.is_file()]
        results[name] = {"recordings": len(rows), **summed(rows)}
        print(name, results[name], flush=True)
    print(record("blurring", {"smallest_face": SMALLEST, "looks_every_seconds": EVERY, **results}))


def measured(path: Path, finds: MTCNN) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.mp4"
        began = time.process_time()
        blur_faces(path, copy, finds)
        seconds = time.process_time() - began
        whole, blurred = FileClip(path), FileClip(copy)
        found = {"length": whole.duration, "processor_seconds": seconds, **covered(whole, finds)}
        return {**found, **seen_by_another(whole, blurred, finds)}


def covered(clip: FileClip, finds: MTCNN) -> dict[str, float]:
    """Of the faces in every picture: how many lie wholly in what is blurred."""
    tracks = [face.track for face in follow(clip, finds, every=EVERY, doubtful=True)]
    scale = max(1.0, min(clip.recording.height, clip.recording.width) / SIDE)
    faces = inside = 0
    for at, picture in clip.window(0.0, LONGEST).pictures(clip.recording.frame_rate, max_side=SIDE):
        boxes = np.array(boxes_at(tracks, at), np.float32).reshape(-1, 4)
        for x0, y0, x1, y1 in finds.detect(picture[None])[0].boxes * scale:
            faces += 1
            low, high = boxes[:, :2] <= (x0 + 1, y0 + 1), boxes[:, 2:] >= (x1 - 1, y1 - 1)
            inside += bool((low & high).all(axis=1).any())
    return {"faces": faces, "faces_covered": inside}


def seen_by_another(whole: FileClip, blurred: FileClip, finds: MTCNN) -> dict[str, float]:
    """Faces of the recording that the other detector finds where they are, before and after."""
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    cascade = Cascade(lbp_frontal_face_cascade_filename())
    shown = [[p for _, p in c.window(0.0, LONGEST).pictures(RATE, max_side=SIDE)] for c in (whole, blurred)]
    faces = [finds.detect(picture[None])[0].boxes for picture in shown[0]]
    counts = [sum(_found(cascade, p, boxes) for p, boxes in zip(ps, faces, strict=True)) for ps in shown]
    return {"looked_at": sum(map(len, faces)), "found_before": counts[0], "found_after": counts[1]}


def _found(cascade: Any, picture: np.ndarray, faces: np.ndarray) -> int:
    """How many of the faces have their middle in a box of the cascade, which is not twice as large."""
    size = {"min_size": (30, 30), "max_size": picture.shape[:2]}
    boxes = cascade.detect_multi_scale(picture, scale_factor=1.2, step_ratio=1, **size)
    return sum(
        any(
            abs((x0 + x1) / 2 - box["c"] - box["width"] / 2) < box["width"] / 2
            and abs((y0 + y1) / 2 - box["r"] - box["height"] / 2) < box["height"] / 2
            and box["height"] < 2 * (y1 - y0)
            for box in boxes
        )
        for x0, y0, x1, y1 in faces
    )


def summed(rows: list[dict[str, float]]) -> dict[str, Any]:
    total = {name: round(sum(row[name] for row in rows), 1) for name in rows[0]}
    return {
        **total,
        "processor_seconds_for_each_of_the_recording": round(total["processor_seconds"] / total["length"], 2),
    }


if __name__ == "__main__":
    main()
