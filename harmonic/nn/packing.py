"""A binarised network in few bytes: eight signs a byte, or five values of -1, 0, 1.

Two tensors hold it all, in the order of the network's state: `codes` (uint8) the signs, `values`
(float32) everything else: scales of the filters, biases, batch norm. What a network weighs is known
from its description, so neither names nor shapes are stored. Nothing is lost: the unpacked network
computes what the binarised one does, to the bit.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from .binary import quantised_layers, settled

BASES = {"binary": 2, "ternary": 3}
A_BYTE = {"binary": 8, "ternary": 5}
"""Signs in a byte: 2⁸ = 256 and 3⁵ = 243."""


def pack(model: nn.Module) -> dict[str, Tensor]:
    """`codes` and `values` of a binarised model. Raises ValueError if it is not binarised."""
    kinds = weight_kinds(model)
    if not kinds:
        raise ValueError("only a binarised network can be packed; this one has no such layer")
    codes, values = [], []
    for name, value in stored(settled(model)).items():
        if name in kinds:
            rows = value.flatten(1)
            scales = rows.abs().amax(dim=1)
            digits = rows.sign() + 1 if kinds[name] == "ternary" else rows >= 0
            codes.append(to_bytes(digits.flatten(), kinds[name]))
            values.append(scales)
        else:
            values.append(value.flatten())
    return {"codes": torch.cat(codes), "values": torch.cat(values).float()}


def unpack(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network that was packed, its weights settled; `model` is a fresh one of its shape.

    Raises ValueError where the tensors are not those of such a network.
    """
    types = {name: tensor.dtype for name, tensor in tensors.items() if tensor.dim() == 1}
    if types != {"codes": torch.uint8, "values": torch.float32} or len(tensors) != 2:
        raise ValueError("a packed network has two tensors, codes (uint8) and values (float32)")
    kinds = weight_kinds(model)
    if not kinds:
        raise ValueError("its weights are packed, but its network is not binarised")
    model = settled(model)
    state = stored(model)
    sizes = [bytes_of(value.numel(), kinds[name]) for name, value in state.items() if name in kinds]
    codes = cut("codes", tensors["codes"], sizes)
    sizes = [len(value) if name in kinds else value.numel() for name, value in state.items()]
    values = cut("values", tensors["values"], sizes)
    with torch.no_grad():
        for name, value in state.items():
            numbers = next(values)
            if name in kinds:
                digits = from_bytes(next(codes), kinds[name], value.numel()).view(value.shape)
                signs = digits - 1 if kinds[name] == "ternary" else 2 * digits - 1
                value.copy_(signs * numbers.view(-1, *[1] * (value.dim() - 1)))
            else:
                value.copy_(numbers.view(value.shape))
    return model


def cut(name: str, tensor: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    """A tensor in pieces of these sizes."""
    if len(tensor) < sum(sizes):
        raise ValueError(f"{name} of the packed network ends after {len(tensor)}")
    if len(tensor) > sum(sizes):
        raise ValueError(f"{name} of the packed network go on after {sum(sizes)}")
    return iter(tensor.split(sizes))


def weight_kinds(model: nn.Module) -> dict[str, str]:
    """Names of the quantised weights in the settled state, and their kind."""
    return {f"{name}.weight": kind for name, kind in quantised_layers(model).items()}


def stored(model: nn.Module) -> dict[str, Tensor]:
    """The state that outputs in eval mode depend on: all but the counts of batches."""
    return {name: value for name, value in model.state_dict().items() if value.is_floating_point()}


def bytes_of(count: int, kind: str) -> int:
    return -(-count // A_BYTE[kind])


def to_bytes(digits: Tensor, kind: str) -> Tensor:
    """Digits 0 … base-1, (n), as uint8 (⌈n / digits a byte⌉), the first digit the lowest."""
    each = A_BYTE[kind]
    padded = torch.zeros(bytes_of(len(digits), kind) * each, dtype=torch.long)
    padded[: len(digits)] = digits.long().cpu()
    return (padded.view(-1, each) * place_values(kind)).sum(dim=1).to(torch.uint8)


def from_bytes(packed: Tensor, kind: str, count: int) -> Tensor:
    """The first `count` digits of `to_bytes`, as float32."""
    digits = packed.long()[:, None] // place_values(kind) % BASES[kind]
    return digits.flatten()[:count].float()


def place_values(kind: str) -> Tensor:
    return BASES[kind] ** torch.arange(A_BYTE[kind])
