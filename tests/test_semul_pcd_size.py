"""What the presets cost, beside the figures that were worked out for them: where they differ, by how much."""

from dataclasses import replace

import pytest
import torch
from raw_makers import CONFIG, SOUND, whole_windows
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from affectline.models.semul_pcd import BASE, LARGE, PAPER, SMALL, TINY, Config, SeMuLPCD
from affectline.models.semul_pcd_size import GIB, check_memory, free_memory, size_of

# fmt: off
PRESETS = [
    # video, audio, text; millions of parameters, of one layer; GFLOP of an answer
    ("tiny", TINY, (32, 100, 16), 0.411, 0.151, 0.04),
    ("small", SMALL, (32, 200, 32), 6.458, 1.336, 0.97),
    ("base", BASE, (196, 400, 48), 34.765, 5.327, 13.83),
    ("large", LARGE, (1568, 1200, 48), 263.448, 21.271, 550.89),
    ("paper", PAPER, (1568, 1200, 48), 3805.463, 151.093, 6734.13),
]
# fmt: on
NAMES = [p[0] for p in PRESETS]


@pytest.mark.parametrize(("config", "tokens"), [p[1:3] for p in PRESETS], ids=NAMES)
def test_a_window_of_each_preset_has_its_tokens(config: Config, tokens: tuple[int, ...]) -> None:
    found = size_of(config).tokens
    assert (found["video.frames"], found["audio.samples"], found["text.words"]) == tokens


def test_patches_of_eight_pictures_are_as_many_tokens_as_tubelets_of_thirty_two() -> None:
    """Table 6: uniform frame sampling is a tubelet of one picture."""
    frames = replace(PAPER, frames=8, tubelet=(1, 16, 16))
    assert size_of(frames).tokens == size_of(PAPER).tokens
    fewer = 3 * (4 - 1) * 16 * 16 * PAPER.dim  # weights of the projection
    assert size_of(PAPER).parameters - size_of(frames).parameters == fewer


@pytest.mark.parametrize(("config", "expected", "of_layer"), [(p[1], *p[3:5]) for p in PRESETS], ids=NAMES)
def test_each_preset_has_the_parameters_that_were_worked_out(
    config: Config, expected: float, of_layer: float
) -> None:
    """Beyond them: the norms in the classifiers, whose scale and shift stand for one bias, and tau_s."""
    beyond = 4 * config.head + 1
    assert size_of(config).parameters - beyond == pytest.approx(expected * 1e6, abs=500)
    with torch.device("meta"):
        layer = SeMuLPCD(replace(config, layers=1)).layers[0]
    assert sum(p.numel() for p in layer.parameters()) == pytest.approx(of_layer * 1e6, abs=500)


def test_shared_layers_are_one() -> None:
    shared = size_of(replace(PAPER, share_layers=True))
    assert shared.parameters - 4 * PAPER.head - 1 == pytest.approx(179.225e6, abs=500)
    assert shared.flops == size_of(PAPER).flops


@pytest.mark.parametrize(("config", "expected"), [(p[1], p[5]) for p in PRESETS], ids=NAMES)
def test_each_preset_works_less_than_was_worked_out_by_what_the_fusion_saves(
    config: Config, expected: float
) -> None:
    """Keys and values of all tokens would be 4 d^2 for each of them; here they are 4 d^2 for each mode, and
    attention 4 d for each token and head. The classifiers and joint heads were left out.
    """
    size, d = size_of(config), config.dim
    keys = sum(size.tokens.values()) + 3
    as_printed = keys * 4 * d * d + keys * 4 * d
    here = 3 * 4 * d * d + keys * 4 * d * config.heads
    heads = 4 * 2 * (d * (config.joint + config.head) + config.head * config.classes)
    theirs = size.flops + config.layers * (as_printed - here) - heads
    assert theirs / 1e9 == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, streams={SOUND: 0}), replace(CONFIG, layers=1)])
def test_the_work_is_what_torch_counts(config: Config) -> None:
    model, batch = SeMuLPCD(config).eval(), whole_windows(config)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted:
        model(batch)
    biases = 2 * config.dim * len(config.streams) * config.layers  # of the fusion's keys, by the query
    assert counted.get_total_flops() / 2 == size_of(config).flops + biases


@pytest.mark.parametrize("drop", [0.0, 0.5])
@pytest.mark.parametrize("half", [False, True])
def test_a_layer_keeps_about_what_is_said(drop: float, half: bool) -> None:
    few, many = (replace(CONFIG, layers=n, drop_tokens=drop, dim=128, hidden=256) for n in (1, 3))
    more = size_of(many, half=half).kept - size_of(few, half=half).kept
    assert kept(many, half=half) - kept(few, half=half) == pytest.approx(more, rel=0.12)


def kept(config: Config, *, half: bool) -> int:
    """Bytes of what a step keeps of each utterance, but for the weights and their copies in 16 bits."""
    model, batch, tensors = SeMuLPCD(config).train(), whole_windows(config, 4), list[Tensor]()
    weights = {p.numel() for p in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
        model(batch)
    own = [t.untyped_storage() for t in tensors if _size(t) not in weights]
    return sum({s.data_ptr(): s.nbytes() for s in own}.values()) // 4


def _size(tensor: Tensor) -> int:
    """How many numbers the whole has that it is a view of."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def test_checkpointing_keeps_the_input_of_each_layer_and_one_layer() -> None:
    config = replace(PAPER, checkpointing=False)
    one, whole = (size_of(replace(config, layers=n)).kept for n in (1, 25))
    length = 1569 + 1201 + 49
    assert size_of(PAPER).kept == one + 25 * length * 4 * PAPER.dim
    assert whole == 25 * one


def test_what_does_not_fit_is_refused_with_how_much_and_what_would_fit() -> None:
    size = size_of(LARGE)
    assert size.states == 16 * size.parameters
    needed = size.states + 16 * size.kept
    check_memory(LARGE, batch=16, free=needed)
    with pytest.raises(ValueError, match=r"263\.5 million .* of 16 needs about .* 1\.0 too few") as error:
        check_memory(LARGE, batch=16, free=needed - GIB)
    assert all(way in str(error.value) for way in ("batches of 14", "checkpointing=True", "bf16-mixed"))
    check_memory(LARGE, batch=14, free=needed - GIB)
    check_memory(replace(LARGE, checkpointing=True), batch=16, free=needed - GIB)
    check_memory(LARGE, batch=16, free=needed - GIB, half=True)


def test_the_paper_fits_into_an_h200_and_not_into_half_of_it() -> None:
    check_memory(PAPER, batch=16, free=139 * GIB, half=True)
    with pytest.raises(ValueError, match=r"needs about 7\d\.\d GiB, 63\.8 of them for weights") as error:
        check_memory(PAPER, batch=16, free=70 * GIB, half=True)
    assert "checkpointing" not in str(error.value)
    with pytest.raises(ValueError, match="take a smaller preset, a larger device, or more of them"):
        check_memory(PAPER, batch=1, free=GIB, half=True)


def test_of_shared_weights_each_process_counts_its_share_a_layer_and_the_model_that_is_validated() -> None:
    whole, shares = size_of(PAPER, half=True), size_of(PAPER, half=True, shares=8)
    layer = size_of(PAPER).parameters - size_of(replace(PAPER, layers=24)).parameters
    assert shares.states == pytest.approx(whole.parameters * (16 / 8 + 4) + 18 * layer, abs=16)
    kept = replace(PAPER, checkpointing=False)  # autocast's copies of all layers too, for the gradient
    assert size_of(kept, half=True, shares=8).states - shares.states == 2 * (whole.parameters - layer)
    check_memory(PAPER, batch=2, free=32 * GIB, half=True, shares=8)
    with pytest.raises(ValueError, match=r"batches of 2 needs about .* for weights and optimiser; 32\.0"):
        check_memory(PAPER, batch=2, free=32 * GIB, half=True)


def test_this_machine_has_some_memory_left() -> None:
    assert 0 < free_memory("cpu") < 2**50
