"""Our MTCNN against facenet-pytorch's: frames a second, boxes and landmarks on the same real frames.

python3 -m venv runs/peers
runs/peers/bin/pip install torch torchvision "numpy<3" pillow requests tqdm
runs/peers/bin/pip install --no-deps facenet-pytorch==2.6.0
python -m benchmarks.mtcnn [--peer runs/peers/bin/python] [--threads 1]

The other one lives in an environment of its own, since torchvision does not import beside the CPU build of
torch. Both see 192 frames of 640 x 360 of 48 MOSI clips with the same smallest face, one by one and in
batches of 16, by turns, each in a process of its own; the best of three runs counts. The detector's speed is
one thing, and how often it is called another: `tracking` is `affectline.faces.track_faces`, as `analyze`
uses it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from benchmarks._record import parser, record
from jaxtyping import Float, UInt8

from affectline.media import FileClip

CLIPS, EACH = 48, 4
BATCHES = (1, 16)
RUNS = 3
SMALLEST = 30  # pixels: a twelfth of the height, which `analyze` asks for

TIMED = """
import json, sys, time
import numpy as np, torch
frames, smallest, size, threads = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(threads)
{detector}
detect(frames[:size])
began = time.perf_counter()
found = [face for n in range(0, len(frames), size) for face in detect(frames[n : n + size])]
print(json.dumps({{"seconds": time.perf_counter() - began, "found": found}}))
"""
OURS = """
from affectline.nn.mtcnn import MTCNN
network = MTCNN.load(min_face=smallest / min(frames.shape[1:3]))
def detect(part):
    return [[d.boxes.tolist(), d.landmarks.tolist()] for d in network.detect(part)]
"""
THEIRS = """
from facenet_pytorch import MTCNN
network = MTCNN(keep_all=True, min_face_size=smallest, select_largest=False)
def detect(part):
    boxes, _, points = network.detect(part, landmarks=True)
    return [[(b - [1, 1, 0, 0]).tolist(), p.tolist()] if b is not None else [[], []] for b, p in
            zip(boxes, points)]
"""
TRACKED = """
import json, sys, time
import torch
torch.set_num_threads(int(sys.argv[1]))
from affectline.faces import RATE, track_faces
from affectline.media import FileClip
from affectline.nn.mtcnn import MTCNN
from pathlib import Path
network, pictures, seconds = MTCNN.load(), 0, 0.0
for name in sys.argv[2:]:
    clip = FileClip(Path(name))
    shown = list(clip.pictures(RATE))
    began = time.perf_counter()
    track_faces(shown, network)
    seconds += time.perf_counter() - began
    pictures += len(shown)
print(json.dumps({"pictures_a_second": pictures / seconds, "of_real_time": seconds * RATE / pictures}))
"""

Found = list[tuple[Float[np.ndarray, "faces 4"], Float[np.ndarray, "faces 5 2"]]]


def run(python: str | Path, code: str, *arguments: object) -> dict[str, object]:
    command = [str(python), "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"{python}: {ran.stderr[-2000:]}")
    return json.loads(ran.stdout)


def frames_of(clips: list[Path]) -> UInt8[np.ndarray, "frame 360 640 3"]:
    """Four frames of each clip, evenly."""
    found = np.concatenate([FileClip(clip).frames(count=EACH) for clip in clips])
    assert found.shape[1:] == (360, 640, 3)
    return found


def arrays(found: object) -> Found:
    assert isinstance(found, list)
    return [(np.array(b, float).reshape(-1, 4), np.array(p, float).reshape(-1, 5, 2)) for b, p in found]


def compare(ours: Found, theirs: Found) -> dict[str, object]:
    """Each of their faces with the nearest of ours: overlap over union, and the distance of the landmarks."""
    overlaps, distances = [], []
    for (boxes, points), (others, landmarks) in zip(ours, theirs, strict=True):
        for box, marks in zip(others, landmarks, strict=True):
            over = np.array([overlap(box, b) for b in boxes])
            overlaps.append(over.max() if len(over) else 0.0)
            if len(over):
                eyes = np.linalg.norm(marks[1] - marks[0])
                distances.append(np.linalg.norm(points[over.argmax()] - marks, axis=1).mean() / eyes)
    counts = [(len(b), len(o)) for (b, _), (o, _) in zip(ours, theirs, strict=True)]
    return {
        "their_faces": len(overlaps),
        "our_faces": sum(a for a, _ in counts),
        "frames_with_a_face": float(np.mean([a > 0 for a, _ in counts])),
        "frames_with_a_face_theirs": float(np.mean([b > 0 for _, b in counts])),
        "same_number": float(np.mean([a == b for a, b in counts])),
        "same_boxes": float(np.mean(np.array(overlaps) >= 0.9)),
        "median_overlap": float(np.median(overlaps)),
        "landmarks_apart_of_eye_distance": float(np.mean(distances)),
    }


def overlap(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    shared = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def timings(peer: Path, frames: Path, threads: int) -> Iterator[tuple[str, int, dict[str, object]]]:
    for size in BATCHES:
        for _ in range(RUNS):
            for name, python, detector in (("ours", sys.executable, OURS), ("theirs", peer, THEIRS)):
                code = TIMED.format(detector=detector)
                yield name, size, run(python, code, frames, SMALLEST, size, threads)


def main() -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--peer", type=Path, default=Path("runs/peers/bin/python"))
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    files = map(FileClip, sorted((options.data / "mosi" / "clips").glob("*.mp4")))
    clips = [c.path for c in files if (c.recording.width, c.recording.height) == (640, 360)]
    chosen = [clips[n] for n in np.linspace(0, len(clips) - 1, CLIPS).astype(int)]
    rates: dict[str, float] = {}
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.npy"
        np.save(path, frames_of(chosen))
        for name, size, made in timings(options.peer, path, options.threads):
            found[name] = arrays(made["found"])
            key = f"{name}_frames_a_second_by_{size}"
            rates[key] = max(rates.get(key, 0.0), len(found[name]) / float(str(made["seconds"])))
            print(key, round(rates[key], 1), flush=True)
    best = {name: max(v for k, v in rates.items() if k.startswith(name)) for name in found}
    results: dict[str, object] = {"speedup": best["ours"] / best["theirs"], "threads": options.threads}
    results |= rates | compare(found["ours"], found["theirs"])
    results["tracking"] = run(sys.executable, TRACKED, options.threads, *chosen[:12])
    print(record("mtcnn", results))


if __name__ == "__main__":
    main()
