"""A drawn, shaded face that can speak, blink and express: pictures of people who do not exist.

The face is a height field: a head, sockets, a nose, cheeks and lips are bumps on it. Its slope gives the
light, and paint (brows, eyes, lips, hair) lies on top. Lengths are in half-widths of the head, x to the
right and y down, from a point between the eyes and the nose. Every edge is soft, so nothing flickers.
"""

import math
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from jaxtyping import Float32, UInt8
from scipy.ndimage import gaussian_filter, map_coordinates

Plane = Float32[np.ndarray, "height width"]
Picture = Float32[np.ndarray, "height width 3"]
Colour = tuple[int, int, int]

LIGHT = np.array([-0.34, -0.5, 0.8]) / np.linalg.norm([-0.34, -0.5, 0.8])
VIEW = np.array([0.0, 0.0, 1.0])
EYE_X, EYE_Y, NOSE_Y, MOUTH_Y = 0.42, -0.1, 0.36, 0.8


@dataclass(frozen=True)
class Person:
    skin: Colour
    lips: Colour
    hair: Colour
    iris: Colour
    shirt: Colour
    wall: Colour
    curls: bool  # a round head of curls, or short straight hair
    seed: int


@dataclass(frozen=True)
class Expression:
    """Each from -1 to 1; all zero is a neutral face."""

    brow: float = 0.0  # raised
    inner: float = 0.0  # inner ends of the brows: up in sadness and fear, down in anger
    eyes: float = 0.0  # wide open, or narrowed
    smile: float = 0.0  # corners of the mouth up, or down
    wide: float = 0.0  # mouth stretched, or pursed
    jaw: float = 0.0  # mouth open without a sound
    wrinkle: float = 0.0  # nose and upper lip pulled up

    def towards(self, other: "Expression", share: float) -> "Expression":
        """A face on the way from this one to another."""
        mixed = {
            f.name: (1 - share) * getattr(self, f.name) + share * getattr(other, f.name) for f in fields(self)
        }
        return Expression(**mixed)


@dataclass(frozen=True)
class Pose:
    """How the head is held: its centre in pixels, half its width in pixels, its roll (radians) and turn."""

    x: float
    y: float
    scale: float
    roll: float = 0.0
    turn: float = 0.0


@dataclass(frozen=True)
class Moment:
    """What a face does at one time: sound opens the mouth by `speech`, lids are closed by `blink`, 0 to 1."""

    expression: Expression
    pose: Pose
    speech: float = 0.0
    blink: float = 0.0


def draw(person: Person, moment: Moment, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    """The picture, `size` = (height, width) pixels, of a person in front of a wall."""
    all_ = _Painter(person, moment, size, (-9, 9, -9, 9))
    head = _Painter(person, moment, size, (-1.3, 1.3, -1.65, 1.75))
    middle = _Painter(person, moment, size, (-0.9, 0.9, -0.8, 1.6))
    picture = all_.wall()
    for part, paint in (
        (all_, _Painter.hair_behind),
        (all_, _Painter.body),
        (head, _Painter.head),
        (middle, _Painter.eyes),
        (middle, _Painter.brows),
        (middle, _Painter.mouth),
        (all_, _Painter.hair_in_front),
    ):
        picture[part.area] = paint(part, picture[part.area])
    return np.clip(picture, 0, 255).astype(np.uint8)


class _Painter:
    """The coordinates of a part of the picture, from left to right and top to bottom, and what lies there."""

    def __init__(
        self, person: Person, moment: Moment, size: tuple[int, int], part: tuple[float, float, float, float]
    ) -> None:
        self.person, self.expression, self.pose, self.blink = (
            person,
            moment.expression,
            moment.pose,
            moment.blink,
        )
        self.size, pose = size, moment.pose
        left, right = (int(np.clip(pose.x + pose.scale * at, 0, size[1])) for at in part[:2])
        top, bottom = (int(np.clip(pose.y + pose.scale * at, 0, size[0])) for at in part[2:])
        self.area = np.s_[top:bottom, left:right]
        rows, columns = np.mgrid[self.area].astype(np.float32)
        across, down = (columns - pose.x) / pose.scale, (rows - pose.y) / pose.scale
        cos, sin = math.cos(pose.roll), math.sin(pose.roll)
        self.x, self.y = cos * across + sin * down, cos * down - sin * across
        self.pixel = 1.0 / pose.scale
        self.opening = 0.3 * max(moment.speech, 0.75 * max(moment.expression.jaw, 0.0))
        self.u = self.x - 0.16 * pose.turn  # what stands out of the face moves with a turn of the head
        self.noise = _noise(person.seed, self.x, self.y)

    def inside(self, distance: Plane, softness: float = 1.0) -> Plane:
        """1 where a distance is negative, 0 where positive, and a smooth edge `softness` pixels wide."""
        t = np.clip(0.5 - distance / (2 * softness * self.pixel), 0, 1)
        return (t * t * (3 - 2 * t)).astype(np.float32)

    def bump(self, x: float, y: float, wide: float, high: float) -> Plane:
        return np.exp(-(((self.u - x) / wide) ** 2) - ((self.y - y) / high) ** 2)

    def pair(self, x: float, y: float, wide: float, high: float) -> Plane:
        return self.bump(-x, y, wide, high) + self.bump(x, y, wide, high)

    def wall(self) -> Picture:
        """A wall with light from one side, and a darker corner."""
        height, width = self.size
        across = np.linspace(1.08, 0.8, width, dtype=np.float32)[None, :, None]
        along = np.linspace(1.05, 0.82, height, dtype=np.float32)[:, None, None]
        return np.asarray(self.person.wall, dtype=np.float32) * across * along

    def hair_behind(self, picture: Picture) -> Picture:
        if not self.person.curls:
            return picture
        edge = np.hypot(self.x / 1.42, (self.y + 0.42) / 1.34) - 1 + 0.05 * self.noise
        return _over(picture, self._strands(0.75), self.inside(edge, 4))

    def hair_in_front(self, picture: Picture) -> Picture:
        x, y = self.x, self.y
        if self.person.curls:
            around = np.hypot(x / 1.34, (y + 0.5) / 1.16) - 1 + 0.05 * self.noise
            hairline = y + 0.88 - 0.42 * x**2 + 0.05 * self.noise
        else:
            around = np.hypot(x / 1.07, (y + 0.26) / 1.3) - 1 + 0.015 * self.noise
            hairline = y + 0.86 - 0.12 * x - 0.55 * np.abs(x) ** 4 + 0.04 * self.noise
        return _over(picture, self._strands(1.0), self.inside(np.maximum(around, hairline), 3))

    def _strands(self, light: float) -> Picture:
        glow = np.exp(-(((self.x + 0.4) / 0.7) ** 2) - ((self.y + 1.25) / 0.5) ** 2)
        shade = light * (0.82 + 0.55 * glow + 0.16 * self.noise)
        return np.asarray(self.person.hair, dtype=np.float32) * shade[..., None]

    def body(self, picture: Picture) -> Picture:
        """Shoulders and neck, which do not roll with the head."""
        height, width = self.size
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        x, y = (columns - width / 2) / self.pose.scale, (rows - 0.47 * height) / self.pose.scale
        shoulders = (np.abs(x) / 1.95) ** 2.4 + (np.abs(y - 3.0) / 1.5) ** 2.4 - 1
        cloth = (
            np.asarray(self.person.shirt, dtype=np.float32) * (0.95 - 0.22 * x - 0.25 * x**2 / 4)[..., None]
        )
        skin = np.asarray(self.person.skin, dtype=np.float32)
        beside = (
            np.abs(x - 0.5 * (self.pose.x - width / 2) / self.pose.scale)
            - 0.52
            - 0.5 * np.clip(y - 1.35, 0, 1) ** 2
        )
        neck = np.maximum(beside, np.maximum(y - 1.78 + 0.9 * x**2, 0.4 - self.y))
        shadow = 0.5 + 0.36 * np.clip((self.y - 1.15) / 0.6, 0, 1) - 0.2 * x - 0.3 * x**2
        picture = _over(picture, cloth, self.inside(shoulders / 1.6, 1.5))
        return _over(picture, skin * shadow[..., None], self.inside(neck, 3))

    def head(self, picture: Picture) -> Picture:
        """Skin: the height field, lit, with colour in the cheeks and shadow in the hollows."""
        jaw = np.float32(1.34 + 0.35 * self.opening)
        reach = np.where(self.y > 0, jaw, np.float32(1.42))
        narrow = 1 - 0.2 * np.clip((self.y - 0.25) / 1.1, 0, 1) ** 1.5
        radius = (np.abs(self.x) / narrow) ** 2.15 + (np.abs(self.y) / reach) ** 2.15
        depth = 0.95 * np.sqrt(np.clip(1.02 - radius, 0.0, None) + 0.003) + self._relief()
        down, right = np.gradient(depth, self.pixel)
        normal = np.stack([-right, -down, np.ones_like(depth)], axis=-1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        lit = np.clip(normal @ LIGHT.astype(np.float32), 0, None)
        gloss = np.clip(normal @ (LIGHT + VIEW).astype(np.float32) / 1.85, 0, 1) ** 24
        light = (0.34 + 0.76 * lit) * self._hollows() + 0.012 * self.noise
        skin = np.asarray(self.person.skin, dtype=np.float32) * light[..., None]
        blush = self.pair(0.55, 0.38, 0.26, 0.2) + 0.7 * self.bump(0, NOSE_Y, 0.16, 0.14)
        skin += blush[..., None] * np.array([9, -5, -3], dtype=np.float32) + 26 * gloss[..., None]
        ears = self.inside(np.hypot((np.abs(self.x) - 0.98) / 0.13, (self.y - 0.08) / 0.27) - 1, 4)
        inner = 0.62 + 0.25 * np.clip((np.abs(self.x) - 0.96) / 0.12, 0, 1) - 0.1 * (self.x > 0)
        picture = _over(picture, np.asarray(self.person.skin, dtype=np.float32) * inner[..., None], ears)
        return _over(picture, skin, self.inside((radius - 1) / 2.6, 1.2))

    def _relief(self) -> Plane:
        """What rises from the head and sinks into it."""
        e = self.expression
        bridge = np.exp(-((self.u / 0.12) ** 2)) * np.clip((self.y + 0.3) / 0.66, 0, 1)
        bridge = bridge * (0.06 + 0.2 * np.clip((self.y + 0.3) / 0.66, 0, 1)) * self.inside(self.y - 0.42, 8)
        nose = bridge + 0.17 * self.bump(0, NOSE_Y, 0.15, 0.12) + 0.085 * self.pair(0.165, 0.42, 0.085, 0.08)
        brow = 0.05 * self.pair(EYE_X, -0.34 - 0.05 * e.brow, 0.32, 0.11)
        sockets = -0.1 * self.pair(EYE_X, EYE_Y, 0.27, 0.17) - 0.05 * self.pair(0.2, -0.08, 0.1, 0.16)
        lift = max(e.smile, 0.0) + 0.6 * max(e.wrinkle, 0.0)
        cheeks = (0.05 + 0.07 * lift) * self.pair(0.55, 0.33 - 0.05 * lift, 0.24, 0.2)
        lips = 0.07 * self.bump(0, MOUTH_Y + 0.03, 0.34, 0.15)
        chin = -0.06 * self.bump(0, 1.02 + 0.3 * self.opening, 0.26, 0.07) + 0.06 * self.bump(
            0, 1.2, 0.26, 0.14
        )
        return nose + brow + sockets + cheeks + lips + chin

    def _hollows(self) -> Plane:
        """How much light reaches a place that lies between others: 1 = all."""
        e = self.expression
        deep = 0.2 * self.pair(EYE_X, EYE_Y - 0.08, 0.24, 0.13) + 0.2 * self.pair(0.2, -0.1, 0.08, 0.13)
        nostrils = 0.75 * self.pair(0.085, 0.465, 0.05, 0.028) + 0.25 * self.bump(0, 0.5, 0.2, 0.05)
        folds = 0.1 + 0.3 * max(e.smile, 0.0) + 0.34 * max(e.wrinkle, 0.0)
        line = np.abs(self.u) - (0.25 + 0.42 * np.clip(self.y - 0.4, 0, 0.5) + 0.06 * max(e.smile, 0.0))
        fold = np.exp(-((line / 0.05) ** 2)) * self.inside(np.abs(self.y - 0.6) - 0.18, 8)
        frown = 0.4 * max(-e.inner, 0.0) * self.pair(0.07, -0.34, 0.025, 0.1)
        creases = max(e.wrinkle, 0.0) * 0.22 * np.cos(self.y / 0.03) ** 2 * self.bump(0, 0.02, 0.12, 0.1)
        bags = 0.12 * self.pair(EYE_X, 0.08, 0.19, 0.035)
        forehead = max(e.brow, 0.0) * 0.16 * np.cos(self.y / 0.022) ** 2 * self.bump(0, -0.58, 0.5, 0.1)
        lip = 0.28 * self.bump(0, MOUTH_Y + 0.17 + 0.25 * self.opening, 0.22, 0.05)
        dark = deep + nostrils + folds * fold + frown + creases + bags + forehead + lip
        return np.clip(1 - dark, 0.12, 1).astype(np.float32)

    def eyes(self, picture: Picture) -> Picture:
        for side in (-1, 1):
            picture = self._eye(picture, side)
        return picture

    def _eye(self, picture: Picture, side: int) -> Picture:
        e = self.expression
        x, y = self.u - side * EYE_X, self.y - EYE_Y
        arch = np.clip(1 - np.abs(x / 0.205) ** 2.2, 0, 1)
        squint = 0.35 * max(e.smile, 0.0) + 0.3 * max(e.wrinkle, 0.0)
        open_ = (1 + 0.45 * e.eyes) * (1 - self.blink)
        upper = 0.045 - (0.045 + 0.085 * open_ * (1 - 0.4 * squint)) * arch
        lower = 0.045 * arch * (1 - 0.5 * squint * (1 - self.blink)) + 0.01
        upper = np.minimum(upper, lower)
        within = self.inside(np.maximum(upper - y, y - lower), 1) * self.inside(np.abs(x) - 0.2, 1)
        shade = 0.72 + 0.28 * np.clip((y - upper) / 0.07, 0, 1) - 0.12 * (np.abs(x) / 0.2) ** 2
        picture = _over(picture, np.array([232, 226, 220], dtype=np.float32) * shade[..., None], within)
        r = np.hypot(x - 0.03 * self.pose.turn, y + 0.012)
        iris = np.asarray(self.person.iris, dtype=np.float32) * (0.7 + 2.2 * np.clip(r, 0, 0.09)[..., None])
        picture = _over(picture, iris, within * self.inside(r - 0.095))
        picture = _over(picture, np.array([14, 11, 11], dtype=np.float32), within * self.inside(r - 0.045))
        spark = self.inside(np.hypot(x + 0.028, y + 0.05) - 0.02)
        picture = _over(picture, np.array([250, 250, 250], dtype=np.float32), 0.9 * within * spark)
        dark = np.asarray(self.person.skin, dtype=np.float32) * 0.16
        lash = self.inside(np.abs(y - upper + 0.006) - 0.02, 1.2) * self.inside(np.abs(x) - 0.21, 2)
        crease = self.inside(np.abs(y - upper + 0.075) - 0.007, 2) * self.inside(np.abs(x) - 0.18, 4)
        rim = self.inside(np.abs(y - lower) - 0.007, 1.5) * self.inside(np.abs(x) - 0.18, 3)
        return _over(picture, dark, np.clip(0.92 * lash + 0.32 * crease + 0.3 * rim, 0, 1))

    def brows(self, picture: Picture) -> Picture:
        e = self.expression
        colour = np.asarray(self.person.hair, dtype=np.float32) * 0.72
        for side in (-1, 1):
            along = side * (self.u - side * EYE_X) / 0.28  # -1 at the nose, 1 at the temple
            middle = EYE_Y - 0.235 - 0.1 * e.brow + 0.05 * along**2 + 0.02 * along
            middle = middle - 0.1 * e.inner * np.clip(0.45 - along, 0, None) + 0.045 * max(e.wrinkle, 0.0)
            thick = 0.052 - 0.018 * along + 0.008 * self.noise
            brow = self.inside(np.abs(self.y - middle) - thick, 2.5) * self.inside(np.abs(along) - 0.95, 7)
            picture = _over(picture, colour, 0.88 * brow)
        return picture

    def mouth(self, picture: Picture) -> Picture:
        e, gap = self.expression, self.opening
        half = 0.34 * (1 + 0.16 * max(e.smile, 0.0) + 0.16 * e.wide - 0.35 * gap)
        arch = np.clip(1 - (self.u / half) ** 2, 0, 1)
        middle = MOUTH_Y + 0.05 * e.smile - 0.16 * e.smile * (1 - arch) - 0.04 * max(e.wrinkle, 0.0)
        top, bottom = middle - 0.3 * gap * np.sqrt(arch), middle + 0.8 * gap * np.sqrt(arch)
        bow = 1 - 0.3 * np.exp(-((self.u / 0.07) ** 2))
        upper = top - (0.095 - 0.02 * max(e.smile, 0.0)) * arch**0.7 * bow - 0.02 * max(e.wrinkle, 0.0) * arch
        lower = bottom + 0.125 * arch**0.8
        across = self.inside(np.abs(self.u) - half, 1.5)
        lips = self.inside(np.maximum(upper - self.y, self.y - lower), 1.3) * across
        light = 0.8 + 0.3 * np.exp(-(((self.y - bottom - 0.045) / 0.03) ** 2)) - 0.2 * (self.y < middle)
        picture = _over(
            picture, np.asarray(self.person.lips, dtype=np.float32) * light[..., None], 0.92 * lips
        )
        cavity = self.inside(np.maximum(top - self.y, self.y - bottom), 1.1) * across
        picture = _over(picture, np.array([48, 16, 18], dtype=np.float32), cavity * min(1.0, gap / 0.03))
        teeth = self.inside(self.y - top - 0.062, 1.5) * cavity * self.inside(np.abs(self.u) - half * 0.74, 4)
        picture = _over(picture, np.array([226, 220, 210], dtype=np.float32), teeth * min(1.0, gap / 0.06))
        seam = self.inside(np.abs(self.y - middle) - 0.011, 1.2) * self.inside(
            np.abs(self.u) - half * 1.04, 2
        )
        picture = _over(
            picture, np.array([52, 20, 20], dtype=np.float32), 0.85 * seam * max(0.0, 1 - gap / 0.04)
        )
        corners = np.exp(-(((np.abs(self.u) - half) / 0.045) ** 2) - ((self.y - middle) / 0.04) ** 2)
        return picture * (1 - 0.35 * corners[..., None])


def _over(picture: Picture, paint: Float32[np.ndarray, "..."], share: Plane) -> Picture:
    """The picture with paint on it, looked at only where there is paint."""
    rows, columns = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
    if len(rows):
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        colour = paint if paint.ndim == 1 else paint[part]
        picture[part] += (colour - picture[part]) * share[part][..., None]
    return picture


def _noise(seed: int, x: Plane, y: Plane) -> Plane:
    """Smooth noise about zero, the same for every picture of a person, that moves with the head."""
    return map_coordinates(_grain(seed), [y * 48, x * 48], order=1, mode="grid-wrap")


@cache
def _grain(seed: int) -> Plane:
    grid = gaussian_filter(np.random.default_rng(seed).standard_normal((256, 256)), 1.5, mode="wrap")
    return (grid / grid.std()).astype(np.float32)
