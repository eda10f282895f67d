"""Late fusion on the data and the features of others: what each of them has to beat."""

from dataclasses import replace

from affectline.models.late_fusion import Config, LateFusion, OneLabel
from affectline.recipes import Recipe, multiemo


def mosi_videos() -> Recipe:
    """CMU-MOSI's videos with clips, as the networks of `base` see them: for any recording."""
    return beside(multiemo.mosi_videos())


def beside(other: Recipe) -> Recipe:
    """A classifier for each modality, on the data, the features and the schedule of another model."""
    config = Config(classes=other.config.classes, vectors=other.config.streams)
    return replace(other, model=LateFusion, config=config, objective=OneLabel())
