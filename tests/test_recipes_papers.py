"""The papers' recipes: each builds at full size, and takes a step on made-up files in its corpus' layout."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from corpus_makers import made_iemocap, made_meld
from media_makers import make_video
from network_makers import tiny_mpnet, tiny_resnet, tiny_roberta
from package_makers import put_feat, put_passt
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel

from affectline import checkpoint, recipes
from affectline.features import audio_passt, extract, video_aus
from affectline.features.text_windows import Windows
from affectline.features.video_faces import resized
from affectline.machines import Machines
from affectline.models import late_fusion
from affectline.nn import conversation_encoder, text_encoder
from affectline.recipes import Fusion, Recipe, Tuning, train_recipe
from affectline.recipes.find import find, names

SMALL = {
    "multiemo": ("config.dim=16", "config.heads=2", "config.hidden=32", "config.head=16"),
    "amuse": ("config.dim=16", "config.heads=2", "config.context=8", "train.warmup=0"),
    "emoje": ("config.dim=16", "config.heads=2", "config.context=8", "train.warmup=0"),
}
TINY = {
    "text.windows": (
        "extractors.{n}.encoder={roberta}",
        "extractors.{n}.limit=36",
        "config.encoder={roberta}",
    ),
    "text.mpnet": ("extractors.{n}.weights={mpnet}",),
    "video.visextnet": ("extractors.{n}.weights={resnet}", "extractors.{n}.width=6", "config.streams.{s}=6"),
    "video.scene": ("extractors.{n}.weights={resnet}", "extractors.{n}.width=6", "config.streams.{s}=6"),
}
"""What puts a tiny network in the place of each published one."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MELD with a few clips, half of which show a face, and IEMOCAP with sound and pictures."""
    folder = tmp_path_factory.mktemp("corpora")
    face = resized(skimage.data.astronaut()[None, 20:260, 110:350], 64)[0]
    seen = {"seconds": 0.1, "rate": 20, "size": (64, 64)}
    clips = [
        make_video(folder / "face.mp4", **seen, wave=noise(0), draw=lambda *_: face),  # pyright: ignore
        make_video(folder / "none.mp4", **seen, wave=noise(1)),  # pyright: ignore[reportArgumentType]
    ]
    made_meld(folder / "meld", clips)
    long = {**seen, "seconds": 14, "rate": 5, "codec": "mpeg4"}
    made_iemocap(folder / "iemocap", make_video(folder / "two.avi", **long, draw=lambda *_: face))  # pyright: ignore
    return folder


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, 9600).astype(np.float32)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    makers = {"roberta": tiny_roberta, "mpnet": tiny_mpnet, "resnet": tiny_resnet}
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in makers.items()}


@pytest.fixture(scope="module", autouse=True)
def once() -> Iterator[None]:
    """The optional packages, and each array computed once for all tests, as within one training."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (audio_passt._network, video_aus._detector):
            module.cache_clear()
        put_passt(patch)
        put_feat(patch)
        memo: dict[str, np.ndarray] = {}
        for module in (recipes, checkpoint):
            patch.setattr(module, "extract", partial(extract, memo=memo))
        yield
    for module in (audio_passt._network, video_aus._detector):
        module.cache_clear()


def small(name: str, networks: dict[str, Path]) -> Recipe:
    """The recipe with tiny networks and for one epoch, by changes as a user makes them."""
    recipe = find(name)
    assert isinstance(recipe, Recipe)
    changes = [
        change.format(n=n, s=e.stream, **networks)
        for n, e in enumerate(recipe.extractors)
        for change in TINY.get(e.stream, ())
    ]
    found = find(name, ["train.epochs=1", *SMALL[name.partition(".")[0]], *changes])
    assert isinstance(found, Recipe)
    return found


def parts(found: Recipe | Fusion | Tuning) -> list[Recipe]:
    """One that goes on from a checkpoint has the model of that."""
    if isinstance(found, Tuning):
        return []
    return [found] if isinstance(found, Recipe) else [*found.parts.values()]


@pytest.fixture
def full_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text encoders at their published sizes, of which only the shapes are known."""
    with torch.device("meta"):
        minilm = BertModel(BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536))
        roberta = RobertaModel(RobertaConfig())
    for module in (conversation_encoder, late_fusion):
        monkeypatch.setattr(module, "load_minilm", lambda: minilm)
    monkeypatch.setattr(text_encoder, "load_encoder", {"FacebookAI/roberta-base": roberta}.__getitem__)


@pytest.mark.usefixtures("full_size")
def test_every_recipe_builds_a_model_of_the_streams_that_it_extracts() -> None:
    built = dict[str, set[str]]()
    for name in names():
        for recipe in parts(find(name)):
            config = repr((recipe.model, recipe.config))
            if config not in built:
                with torch.device("meta"):
                    built[config] = set(recipe.model(recipe.config).streams)  # pyright: ignore
            shapes = {e.stream: e.shape for e in recipe.extractors}
            encoder = getattr(recipe.config, "encoder", "")
            assert built[config] == set(shapes), name
            widths = getattr(recipe.config, "streams", {})
            assert {e.encoder for e in recipe.extractors if isinstance(e, Windows)} <= {encoder}, name
            ready = {s: (w,) for s, w in widths.items() if w}
            assert not widths or ready == {s: of for s, of in shapes.items() if len(of) == 1}, name


@pytest.mark.parametrize(
    "name",
    [
        *("multiemo.paper_meld", "multiemo.authors_meld"),
        *(f"multiemo.paper_meld.{row}" for row in ("text", "two_stage", "without_multiattn")),
        *("multiemo.paper_iemocap", "multiemo.authors_iemocap.text_audio"),
        *("amuse.paper_meld", "amuse.paper_iemocap"),
        *(f"amuse.paper_meld.{row}" for row in ("text", "man_concat", "informative")),
        *("emoje.paper_meld", "emoje.paper_meld.no_face", "emoje.paper_iemocap.text_audio_without_joint"),
    ],
)
def test_a_recipe_takes_a_step_on_its_corpus_and_its_checkpoint_answers(
    name: str, root: Path, networks: dict[str, Path], tmp_path: Path
) -> None:
    recipe = small(name, networks)
    made = train_recipe(recipe, root, tmp_path, machines=Machines(device="cpu"))
    torch.manual_seed(0)
    fresh = recipe.model(recipe.config)
    pairs = zip(fresh.classify.parameters(), made.model.classify.parameters(), strict=True)  # pyright: ignore
    assert all((before != after).any() for before, after in pairs)
    talks = recipe.read(root / recipe.corpus, "test")[:1]
    answers = checkpoint.load(tmp_path).predict(talks)
    assert [len(row) for row in answers] == [len(talk) for talk in talks]
    for answer in (a for row in answers for a in row):
        assert answer.emotions <= set(recipe.labels.names)
        assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)


def test_what_a_copy_of_a_corpus_has_nothing_of_is_said_before_anything_is_extracted(
    root: Path, networks: dict[str, Path], tmp_path: Path
) -> None:
    blind = tmp_path / "iemocap"
    shutil.copytree(root / "iemocap", blind, ignore=shutil.ignore_patterns("avi"))
    told: list[str] = []
    with pytest.raises(ValueError, match=r"iemocap, part 'train', has anything of video\."):
        train_recipe(
            small("multiemo.paper_iemocap", networks),
            *(tmp_path, tmp_path / "out"),
            progress=lambda stage, *_: told.append(stage),
        )
    assert not told


def test_a_path_leads_through_names_that_hold_dots() -> None:
    found = find("multiemo.paper_meld", ["config.streams.video.visextnet=6", "extractors.2.width=6"])
    assert isinstance(found, Recipe)
    assert found.config.streams == {"text.windows": 0, "audio.compare": 6373, "video.visextnet": 6}
    with pytest.raises(ValueError, match=r"has no 'video'; it has text\.windows, audio\.compare, video\.vis"):
        find("multiemo.paper_meld", ["config.streams.video.visextne=6"])
    with pytest.raises(ValueError, match=r"has no settings inside it, so \.width leads nowhere"):
        find("multiemo.paper_meld", ["config.streams.video.visextnet.width=6"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "extractors.2.width=6",
            r"config\.streams\.video\.visextnet is 2048, and VisExtNet.* makes 6 numbers",
        ),
        (
            "config.encoder=minilm",
            r"config\.encoder is 'minilm', and Windows\(encoder='FacebookAI/roberta-base'",
        ),
    ],
)
def test_what_the_model_does_not_expect_is_refused_before_the_corpus_is_read(
    change: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        train_recipe(find("multiemo.paper_meld", [change]), tmp_path, tmp_path)
