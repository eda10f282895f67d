import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from affectline.nn.summed import GREY, Summed, shrunk


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def resized(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Columns, rows, colours: by torch's own area resize."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    return functional.interpolate(planes, size=(rows, columns), mode="area")[0].permute(2, 1, 0).numpy()


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(90, 160, 54, 96), (37, 50, 48, 24), (1, 3, 2, 2)]
)
def test_shrunk_is_the_transposed_area_resize(height: int, width: int, rows: int, columns: int) -> None:
    pixels = picture(height, width)
    np.testing.assert_allclose(shrunk(pixels, rows, columns), resized(pixels, rows, columns), atol=1e-3)


def test_the_sums_of_a_large_white_picture_do_not_overflow() -> None:
    white = np.full((2160, 3840, 3), 255, np.uint8)
    np.testing.assert_array_equal(shrunk(white, 3, 5), np.full((5, 3, 3), 255.0))


@given(st.lists(st.tuples(*[st.integers(-40, 90)] * 2, *[st.integers(1, 70)] * 2), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_crop_is_the_resized_part_with_grey_beyond_the_edges(boxes: list[tuple[int, ...]]) -> None:
    """Boxes as MTCNN has them: the numbers of the first and the last pixel, from 1 on."""
    pixels = picture(48, 64)
    wide = np.full((48 + 400, 64 + 400, 3), GREY, np.uint8)
    wide[200:248, 200:264] = pixels
    corners = torch.tensor([(x, y, x + w - 1, y + h - 1) for x, y, w, h in boxes], dtype=torch.float32)
    crops = Summed(pixels).crops(corners, 12).permute(0, 2, 3, 1).numpy()
    for crop, (x, y, w, h) in zip(crops, boxes, strict=True):
        if x > 64 or y > 48 or x + w <= 1 or y + h <= 1:
            continue  # nothing of the picture is in it
        part = wide[199 + y : 199 + y + h, 199 + x : 199 + x + w]
        np.testing.assert_allclose(crop, resized(part, 12, 12), atol=1e-2)
