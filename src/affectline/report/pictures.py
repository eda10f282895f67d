"""All pictures of an utterance that is explained, and pictures as PNG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affectline.files import atomic_write
from affectline.report.attended import attended
from affectline.report.explained import INK, Figure, figures
from affectline.timeline import Entry

FINE = 2.0  # pixels of a PNG to one of the SVG
FONT = "DejaVu Sans"


def pictures(entry: Entry, colours: Mapping[str, str]) -> list[Figure]:
    """What moved the answer, and where the model looked.

    Raises:
        ValueError: an explanation does not hold what it must.
    """
    return [*figures(entry, colours), *attended(entry)]


def write(svg: str, path: Path, *, as_png: bool) -> list[Path]:
    """As an SVG file, and as PNG where that is asked for; `path` without an ending.

    Raises:
        OSError: a file cannot be written.
    """
    files: dict[str, str | bytes] = {"svg": svg, **({"png": png(svg)} if as_png else {})}
    done = {path.with_name(f"{path.name}.{ending}"): data for ending, data in files.items()}
    for file, data in done.items():
        atomic_write(file, data)
    return [*done]


def png(svg: str) -> bytes:
    """A picture as PNG, on white, twice as fine, in a font that is the same everywhere.

    Raises:
        ImportError: the extra "explain" is not installed.
    """
    try:
        import resvg_py
        from matplotlib import get_data_path
    except ImportError as error:
        raise ImportError('PNG pictures need resvg: pip install "affectline[explain]"') from error
    resvg: Any = resvg_py
    fonts = Path(get_data_path()) / "fonts" / "ttf"  # which come with Captum: a server may have none
    return bytes(
        resvg.svg_to_bytes(
            svg_string=svg.replace("system-ui, sans-serif", FONT).replace("currentColor", INK),
            background="white",
            zoom=FINE,
            skip_system_fonts=True,
            font_dirs=[str(fonts)],
            font_family=FONT,
        )
    )
