"""Tiny networks with random weights, in folders of the hub's format."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    MPNetConfig,
    MPNetForMaskedLM,
    MPNetTokenizer,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    RobertaConfig,
    RobertaModel,
)

WORDS = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "<mask>",
    "Ada",
    "Ben",
    ":",
    *["one", "two", "three", "four", "five", "six"],
)
MPNET = {
    "vocab_size": 30527,
    "max_position_embeddings": 514,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-5,
    "relative_attention_num_buckets": 32,
    "hidden_act": "gelu",
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
}
"""config.json of microsoft/mpnet-base and of sentence-transformers/all-mpnet-base-v2."""
PIECES = ["i", "'", "m", "un", "##happy", "##bel", "well", ".", "cafe", "so", "very"]


def _vocabulary() -> dict[str, int]:
    """The published size and places of the special pieces; our few pieces between them."""
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "[UNK]": 104, "<mask>": 30526}
    numbers = dict(zip(PIECES, range(2000, 2000 + len(PIECES)), strict=True)) | special
    free = set(range(30527)) - set(numbers.values())
    return numbers | {f"unused{n}": n for n in free}


def tiny_roberta(folder: Path) -> Path:
    """A RoBERTa, 16 wide, whose pieces are whole words."""
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()  # pyright: ignore[reportAttributeAccessIssue]
    words.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))  # pyright: ignore
    PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", cls_token="<s>", sep_token="</s>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        type_vocab_size=1,
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def tiny_resnet(folder: Path) -> Path:
    """A ResNet, 6 wide, with a classifier; its batch normalisation has seen something."""
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
    network = ResNetForImageClassification(config)
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-1.0, 0.0)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    network.save_pretrained(folder)
    return folder


def tiny_mpnet(folder: Path) -> Path:
    """One thin layer that knows the first pieces, saved with its head, as the published network is."""
    sizes = {**MPNET, "vocab_size": 2100, "num_hidden_layers": 1, "intermediate_size": 8}
    torch.manual_seed(0)
    MPNetForMaskedLM(MPNetConfig(**sizes)).save_pretrained(folder)
    MPNetTokenizer(vocab=_vocabulary(), unk_token="[UNK]").save_pretrained(folder)
    return folder
