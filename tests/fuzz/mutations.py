"""How whole files become damaged or hostile ones; the same seed makes the same file."""

import json
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import onnx

from harmonic.model_file.description import KEY, UNSEALED, sealed

WORDS = [
    b"\x00", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x80\x00\x00\x00", b"\x00\x00\x00\x01",
    b"\x1b[31m", b"\x1b]0;title\x07", b"\r\n", b"\n\n", b"\xe2\x80\xae", b"NaN", b"inf", b"-1",
    b"1e999", b"9" * 400, b'"', b"'", b",", b";", b"\t", b"NA", b"<b>", b"nv", b"\xef\xbb\xbf",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 8.0, 0.5, 7, 1024, 2**31, 2**63, 10**308, 1e-320, float("nan"),
    float("inf"), "", "\x1b[31m\n", "x" * 5000, "wrn-40-10", "resnet-50", "packed", "focal", [],
    [0] * 1000, {}, {"a": 1}, [[[[[[[[[[]]]]]]]]]],
]  # fmt: skip
YAML = [
    b"!!timestamp 9999-99-99", b"!!binary x", b"!!float x", b"!!set [a]", b"&a [*a]", b"*a",
    b"[" * 500, b"{a: " * 200, b"- " * 300, b"? ", b": ", b"|\n", b"%YAML 9.9\n---\n", b"...\n",
    b"0x" + b"f" * 9000, b".nan", b"null", b"true", b"1", b"8.0", b"2026-13-45", b"  ", b"\n", b"#",
    b"<<: 1", b'"\\x1b"', b"\x85", b"~",
]  # fmt: skip


def mutated(content: bytes, draw: random.Random, words: list[bytes] = WORDS) -> bytes:
    """Up to four bits, bytes, numbers or parts changed, lost, doubled or put in."""
    found = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(found) + 1)
        length = draw.choice([1, 2, 4, 8, 40, 400])
        kind = draw.randrange(7)
        if kind == 0 and place < len(found):
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 1:
            found[place : place + length] = b""
        elif kind == 2:
            found[place:place] = found[place : place + length] * draw.choice([1, 2, 50])
        elif kind == 3:
            found[place:place] = draw.choice(words)
        elif kind == 4:
            word = draw.choice(words)
            found[place : place + len(word)] = word
        elif kind == 5:
            found[place : place + length] = draw.randbytes(length)
        elif draw.random() < 0.3:
            del found[place:]
    return bytes(found)


def resealed(content: bytes) -> bytes:
    """With the seal that it would have, where its place is still there."""
    return sealed(content) if content.count(UNSEALED.encode()) == 1 else content


def with_other_leaf(tree: Any, draw: random.Random) -> Any:
    """JSON with one value, at any depth, put in the place of another."""
    inside = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    if not inside:
        return draw.choice(VALUES)
    key = draw.choice(inside)
    found = tree.copy()
    deeper = isinstance(found[key], dict | list) and draw.random() < 0.7
    found[key] = with_other_leaf(found[key], draw) if deeper else draw.choice(VALUES)
    return found


def safetensors(content: bytes, draw: random.Random) -> bytes:
    """Of a file that is not sealed: its record, its header or its bytes changed; sealed."""
    (length,) = struct.unpack("<Q", content[:8])
    header, weights = content[8 : 8 + length], content[8 + length :]
    kind = draw.randrange(4)
    if kind == 0:
        return resealed(mutated(content, draw))
    if kind == 1:
        header = mutated(header, draw)
    else:
        tree = json.loads(header)
        if kind == 2:
            record = json.loads(tree["__metadata__"][KEY])
            tree["__metadata__"][KEY] = json.dumps(with_other_leaf(record, draw))
        else:
            tree = with_other_leaf(tree, draw)
        header = json.dumps(tree).encode()
    return resealed(struct.pack("<Q", len(header)) + header + weights)


def onnx_file(content: bytes, draw: random.Random) -> bytes:
    """Of a file that is not sealed: its record, its graph or its bytes changed; sealed."""
    if draw.random() < 0.3:
        return resealed(mutated(content, draw))
    model = onnx.ModelProto.FromString(content)
    for _ in range(draw.randint(1, 3)):
        draw.choice(GRAPH_CHANGES)(model, draw)
    return resealed(model.SerializeToString())


def change_record(model: onnx.ModelProto, draw: random.Random) -> None:
    for entry in model.metadata_props:
        if entry.key == KEY:
            entry.value = json.dumps(with_other_leaf(json.loads(entry.value), draw))


def change_attribute(model: onnx.ModelProto, draw: random.Random) -> None:
    found = [one for node in model.graph.node for one in node.attribute]
    if found:
        attribute = draw.choice(found)
        attribute.i = draw.choice([-1, 0, 1, 2, 7, 2**15, 2**31, 2**62])
        for place in range(len(attribute.ints)):
            attribute.ints[place] = draw.choice([-1, 0, 1, 2, 3, 100, 2**15, 2**40])


def change_operator(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.node:
        node = draw.choice(model.graph.node)
        kinds = ["Add", "Conv", "MatMul", "Gemm", "Flatten", "Relu", "MaxPool", "ReduceMean"]
        node.op_type = draw.choice([*kinds, "Identity", "BatchNormalization", "Loop", "\x1b[31m"])


def change_wire(model: onnx.ModelProto, draw: random.Random) -> None:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    if names:
        node = draw.choice(model.graph.node)
        if node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice(names)


def drop_or_double_a_node(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.node:
        node = draw.choice(model.graph.node)
        if draw.random() < 0.5:
            model.graph.node.remove(node)
        else:
            model.graph.node.append(node)
            model.graph.node[-1].output[:] = [f"more{draw.random()}"]


def change_weights(model: onnx.ModelProto, draw: random.Random) -> None:
    if model.graph.initializer:
        tensor = draw.choice(model.graph.initializer)
        if tensor.dims and draw.random() < 0.5:
            tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice([-1, 0, 1, 3, 2**20, 2**62])
        elif draw.random() < 0.3:
            tensor.data_type = draw.randrange(25)
        elif draw.random() < 0.3:
            tensor.name = draw.choice(["\x1b[31m", "x" * 5000, "images", ""])
        else:
            tensor.raw_data = mutated(tensor.raw_data, draw)


def change_ends(model: onnx.ModelProto, draw: random.Random) -> None:
    end = draw.choice([*model.graph.input, *model.graph.output])
    sides = end.type.tensor_type.shape.dim
    if sides:
        draw.choice(sides).dim_value = draw.choice([-1, 0, 1, 5, 28, 224, 2**40])


GRAPH_CHANGES: list[Callable[[onnx.ModelProto, random.Random], None]] = [
    *(change_record, change_attribute, change_operator, change_wire),
    *(drop_or_double_a_node, change_weights, change_ends),
]


def png(content: bytes, draw: random.Random) -> bytes:
    """One chunk changed, lost, doubled or moved, its checksum right again."""
    chunks, place = [], 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += length + 12
    number = draw.randrange(len(chunks))
    kind, body = chunks[number]
    if kind == b"IDAT" and draw.random() < 0.5:
        body = zlib.compress(mutated(zlib.decompress(body), draw)) if number else body
    elif draw.random() < 0.6:
        body = mutated(body, draw)
    elif draw.random() < 0.5:
        kind = draw.choice([b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"IDAT"])
    else:
        chunks.insert(draw.randrange(len(chunks)), chunks[number])
    chunks[number] = kind, body
    return content[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
