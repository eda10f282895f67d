import torch
from torch import nn

from affectline.nn.lora import LoRA, adapt, merged


def test_an_adapter_changes_nothing_at_first_and_adds_the_low_rank_product_later() -> None:
    linear = nn.Linear(6, 4)
    adapter, x = LoRA(linear, 2), torch.randn(3, 6)
    torch.testing.assert_close(adapter(x), linear(x))
    nn.init.normal_(adapter.up)
    torch.testing.assert_close(adapter(x), linear(x) + x @ (adapter.up @ adapter.down).T)


def test_adapting_freezes_all_but_the_adapters() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2)))
    adapt(network, 2)
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"0.down", "0.up", "1.1.down", "1.1.up"}


def test_a_merged_network_says_the_same_without_adapters() -> None:
    def made() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2, bias=False)))

    adapted, plain, x = made(), made(), torch.randn(5, 4)
    adapt(adapted, 2)
    for name, parameter in adapted.named_parameters():
        if name.endswith("up"):
            nn.init.normal_(parameter)
    plain.load_state_dict(merged(adapted))
    torch.testing.assert_close(plain(x), adapted(x))
