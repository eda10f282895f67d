import pytest
import torch
from torch.nn.functional import conv1d, conv2d, conv3d, interpolate

from affectline.nn.tokens import Entrance, Positions, Tubelets, Vector, Waveform, Words, drop_tokens


def there(n: int, count: int) -> torch.Tensor:
    return torch.ones(n, count, dtype=torch.bool)


def pictures(n: int = 2, count: int = 8, height: int = 12, width: int = 18) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randint(0, 256, (n, count, height, width, 3), dtype=torch.uint8)


def convolved(made: Tubelets, shown: torch.Tensor) -> torch.Tensor:
    """Tokens without positions, by torch's convolution of three dimensions."""
    x = (shown.float() / 127.5 - 1).permute(0, 4, 1, 2, 3)
    kernel = made.project.weight.unflatten(1, (*made.size, 3)).permute(0, 4, 1, 2, 3)
    return conv3d(x, kernel, made.project.bias, stride=made.size).flatten(2).mT


def test_tubelets_are_a_convolution_that_strides_by_its_own_size() -> None:
    made, shown = Tubelets((4, 6, 3), (2, 2, 6), 5), pictures()
    tokens, mask = made(shown, there(2, 8))
    expected = convolved(made, shown) + made.positions(there(2, 2), 2, 6)
    torch.testing.assert_close(tokens, expected)
    assert mask.all()
    assert mask.shape == (2, 24)


def test_a_tubelet_of_one_picture_is_a_patch_of_it() -> None:
    made, shown = Tubelets((1, 6, 6), (8, 2, 3), 5), pictures()
    tokens, _ = made(shown, there(2, 8))
    kernel = made.project.weight.unflatten(1, (6, 6, 3)).permute(0, 3, 1, 2)
    x = (shown.float() / 127.5 - 1).flatten(0, 1).permute(0, 3, 1, 2)
    patches = conv2d(x, kernel, made.project.bias, stride=6).flatten(2).mT  # picture by picture
    torch.testing.assert_close(
        tokens, patches.unflatten(0, (2, 8)).flatten(1, 2) + made.positions(there(2, 8), 2, 3)
    )


def test_black_is_minus_one_and_white_is_one() -> None:
    made = Tubelets((1, 1, 1), (1, 1, 1), 3)
    with torch.no_grad():
        made.project.weight.copy_(torch.eye(3))
        made.project.bias.zero_()
    place = made.positions(there(1, 1), 1, 1)
    for colour, value in ((0, -1.0), (255, 1.0)):
        tokens, _ = made(torch.full((1, 1, 1, 1, 3), colour, dtype=torch.uint8), there(1, 1))
        torch.testing.assert_close((tokens - place)[0, 0], torch.full((3,), value))


def test_a_position_is_the_normalised_sum_of_its_row_in_each_table() -> None:
    torch.manual_seed(0)
    positions = Positions((2, 3, 4), 6)
    f, h, w = positions.tables
    rows = [f[i] + h[j] + w[k] for i in range(2) for j in range(3) for k in range(4)]
    torch.testing.assert_close(positions(there(5, 2), 3, 4)[0], positions.norm(torch.stack(rows)))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_a_table_in_space_grows_and_shrinks_between_its_ends(count: int) -> None:
    positions = Positions((1, 4), 6)
    table = positions.tables[1]
    stretched = interpolate(table.T[None], size=count, mode="linear", align_corners=True)[0].T
    torch.testing.assert_close(
        positions(there(1, 1), count)[0], positions.norm(positions.tables[0] + stretched)
    )


def test_in_time_a_table_grows_and_what_is_short_takes_the_first_places() -> None:
    positions = Positions((4,), 6)
    mask = torch.arange(9) < torch.tensor([[9], [6], [3]])
    places = positions(mask)
    for row, length in enumerate((9, 6)):
        table = interpolate(positions.tables[0].T[None], size=length, mode="linear", align_corners=True)[0].T
        torch.testing.assert_close(places[row, :length], positions.norm(table))
    torch.testing.assert_close(places[2, :3], positions.norm(positions.tables[0][:3]))


def test_the_place_of_a_short_one_does_not_depend_on_who_is_with_it() -> None:
    positions = Positions((4,), 6)
    mask = torch.arange(9) < torch.tensor([[9], [6], [3]])
    for row, length in enumerate((9, 6, 3)):
        torch.testing.assert_close(positions(mask)[row, :length], positions(there(1, length))[0])


def test_a_waveform_is_cut_by_a_convolution_and_what_is_left_over_is_a_patch_too() -> None:
    made = Waveform(4, 3, 5)
    sound = torch.rand(2, 10) * 2 - 1
    tokens, mask = made(sound, there(2, 10))
    padded = torch.cat([sound, torch.zeros(2, 2)], dim=1)[:, None]
    expected = conv1d(padded, made.project.weight[:, None], made.project.bias, stride=4).mT
    torch.testing.assert_close(tokens, expected + made.positions(mask))
    assert mask.all()


def test_a_word_is_its_row_of_the_table_in_its_place() -> None:
    made = Words(9, 4, 5)
    real = torch.tensor([[True] * 3, [True, False, False]])
    tokens, mask = made(torch.tensor([[3, 1, 7], [2, 99, -5]]), real)
    places = made.positions.norm(made.positions.tables[0])
    torch.testing.assert_close(tokens[0], made.embed.weight[[3, 1, 7]] + places[:3])
    torch.testing.assert_close(tokens[1, 0], made.embed.weight[2] + places[0])
    assert torch.equal(mask, real)


def test_a_ready_made_vector_is_one_standardised_token() -> None:
    made = Vector(3, 5)
    made.standardise.fit(torch.tensor([[0.0, 1.0, 2.0], [2.0, 5.0, 2.0]]))
    values = torch.tensor([[[1.0, 3.0, 2.0], [torch.nan] * 3], [[torch.nan] * 3] * 2])
    tokens, mask = made(values, torch.tensor([[True, False], [False, False]]))
    torch.testing.assert_close(tokens[0, 0], made.project.bias)  # the mean of the train part
    assert mask.tolist() == [[True], [False]]
    assert tokens.isfinite().all()


def test_what_is_masked_is_never_read_and_a_whole_token_of_it_is_masked() -> None:
    mask = torch.arange(8) < torch.tensor([[8], [5], [0]])
    made, shown = Tubelets((4, 6, 6), (2, 2, 3), 5), pictures(3)
    white = shown.masked_fill(~mask[..., None, None, None], 255)
    tokens, found = made(shown, mask)
    assert torch.equal(tokens, made(white, mask)[0])
    assert found.sum(dim=1).tolist() == [12, 12, 0]
    sound = torch.rand(3, 8)
    made = Waveform(4, 2, 5)
    tokens, found = made(sound, mask)
    assert torch.equal(tokens, made(sound.masked_fill(~mask, torch.nan), mask)[0])
    assert found.tolist() == [[True, True], [True, True], [False, False]]


def test_pictures_smaller_than_a_token_are_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"18 x 4 pixels are smaller than a token of 6 x 6"):
        Tubelets((4, 6, 6), (2, 2, 3), 5)(pictures(height=4), there(2, 8))


def test_tokens_that_are_there_go_last_and_each_as_likely() -> None:
    torch.manual_seed(0)
    x = torch.arange(6.0).expand(2000, 6)[..., None]
    mask = (torch.arange(6) < 4).expand(2000, 6)
    kept, seen = drop_tokens(x, mask, 0.5)
    assert kept.shape == (2000, 3, 1)
    assert seen.all()
    counts = torch.bincount(kept.flatten().long(), minlength=6)
    assert counts[4:].sum() == 0
    assert (counts[:4] / 2000 - 0.75).abs().max() < 0.05
    assert kept.flatten(1).sort(dim=1).values.diff(dim=1).all()  # none twice


def test_tokens_are_dropped_in_training_alone_and_never_the_one_that_stands_for_all() -> None:
    enter = Entrance(Words(9, 8, 5), 5, dropout=0.0, drop=0.5)
    ids, mask = torch.randint(0, 9, (3, 8)), there(3, 8)
    whole, _ = enter.eval()(ids, mask)
    some, seen = enter.train()(ids, mask)
    assert whole.shape == (3, 9, 5)
    assert some.shape == (3, 5, 5)
    assert seen.shape == (3, 5)
    for tokens in (whole, some):
        torch.testing.assert_close(tokens[:, 0], enter.aggregate.expand(3, 5))
    for few, all_of_them in zip(some, whole, strict=True):
        for token in few:
            assert (all_of_them == token).all(dim=1).any()  # with the position that it had
    assert not torch.equal(some, enter(ids, mask)[0])  # others each time
