"""A tiny vision transformer (Dosovitskiy et al. 2021) that classifies the mean over patches (Beyer et al. 2022)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunelab.network.arguments import accept_count, accept_counts, refused


class Attention(nn.Module):
    """Multi-head self-attention: [n, patches, width] -> the same shape.

    The outputs of `qkv` are the queries of all heads, then all keys, then all values, `head_width` numbers per head.
    The number of heads follows from the number of outputs.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """The attention's output, [n, patches, width]."""
        heads = self.qkv(tokens).unflatten(2, (3, -1, self.head_width))  # [n, patches, 3, heads, head_width]
        queries, keys, values = heads.permute(2, 0, 3, 1, 4).unbind(0)  # each [n, heads, patches, head_width]
        gathered = functional.scaled_dot_product_attention(queries, keys, values)
        return cast(Tensor, self.proj(gathered.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    """A pre-norm transformer block, attention and a multilayer perceptron: [n, patches, width] -> the same shape."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        layers = OrderedDict[str, nn.Module](fc1=nn.Linear(width, hidden), gelu=nn.GELU(), fc2=nn.Linear(hidden, width))
        self.mlp = nn.Sequential(layers)

    def forward(self, tokens: Tensor) -> Tensor:
        """The block's output."""
        tokens = tokens + self.attention(self.norm1(tokens))
        return cast(Tensor, tokens + self.mlp(self.norm2(tokens)))


class ViTTiny(nn.Module):
    """Patch embedding, blocks, and a mean over patches: [n, channels, rows, columns] -> logits [n, classes].

    `patch`: rows and columns of a patch; `width`: the embedding dimension; `heads`: attention heads of each block;
    `hidden`: for each block, the hidden neurons of its multilayer perceptron.

    Raises:
        ConfigError: for invalid sizes, or sizes that do not divide each other.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, patch: int, width: int, heads: int, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        for key, value in {"patch": patch, "width": width, "heads": heads}.items():
            accept_count(key, value)
        accept_counts("hidden", hidden)
        channels, rows, columns = shape
        if rows % patch or columns % patch:
            raise refused("patch", patch, f"a whole number that divides the images' {rows} rows and {columns} columns")
        if width % heads:
            raise refused("heads", heads, f"a whole number that divides model.width={width}")
        self.patches = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, (rows // patch) * (columns // patch), width))
        blocks = {f"block{number}": Block(width, heads, neurons) for number, neurons in enumerate(hidden, start=1)}
        self.blocks = nn.Sequential(OrderedDict(blocks))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, classes] of images [n, channels, rows, columns]."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.position
        return cast(Tensor, self.classifier(self.norm(self.blocks(tokens)).mean(dim=1)))
