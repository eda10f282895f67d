import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that holds goemotions/, ravdess/, ...: $AFFECTLINE_DATA, else ../shared/data."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("AFFECTLINE_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no corpora at {folder}; set AFFECTLINE_DATA to the folder that holds goemotions/, ...")
    return folder
