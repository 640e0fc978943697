"""How "84 % precision and recall" came about: the blog post's protocol, rebuilt and taken apart.

    python -m benchmarks.post_protocol --archive ham10000-200x150.zip    # train, then sum up
    python -m benchmarks.post_protocol                                   # sum up what is there

The post of 2019 on harmonic networks for HAM10000 drew its training and its test images in two
independent, unseeded draws of 85 % and 15 %, so most test images were training images; it drew the
test images anew with equal class frequencies; it chose the epoch on them; and its precision and
recall were micro averages, which both equal accuracy. This does the same, with the post's network,
optimizer and loss, and then asks what the post did not: how right is the chosen network on images,
and on lesions, that it never saw?

What differs from the post: the two draws have seeds; every layer transforms each of its channels,
where the post's summed them first (288 thousand weights in the convolutions against about five
thousand; the linear layers hold 8.5 million in both); filters are orthonormal, the post's were not
normalised; no hair is removed and no edges are drawn in; it trains in bfloat16, for 40 epochs
instead of 300.

Each finished pair of draws appends its epochs to results/post_protocol.csv; an interrupted one goes
on after its last epoch.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.leak.__main__ import commit, key, write_table
from benchmarks.leak.images import archive_images
from benchmarks.post_protocol.page import figure, read_study, table
from benchmarks.post_protocol.protocol import Draws, independent_draws, run_draw
from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.files import write_bytes, write_text
from harmonic.learning.device import choose_device

WORK = Path(".partial/post_protocol")
IMAGE_SIZE = 64


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.post_protocol",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--archive", type=Path, help="zip or folder to train on; without: sum up")
    parser.add_argument("--draws", type=at_least_one, default=2, help="pairs of draws (2)")
    parser.add_argument("--epochs", type=at_least_one, default=40, help="the post had 300 (40)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    parser.add_argument("--resamples", type=int, default=2000, help="of the intervals (2000)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    options = parser.parse_args(arguments)
    try:
        if options.archive is not None:
            train_missing(options)
        study = read_study(options.results)
        text = table(study, options.resamples)
        print(text, end="")
        write_text(options.results / "post_protocol.md", text)
        write_bytes(options.results / "post_protocol.svg", figure(study))
    except InputError as error:
        print(f"post_protocol: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("post_protocol: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed is 1 or more")
    return int(text)


def train_missing(options: argparse.Namespace) -> None:
    if not options.archive.exists():
        raise InputError(f"--archive {options.archive} is not there")
    device = choose_device(options.device)
    data, digest = archive_images(options.archive, IMAGE_SIZE, WORK / key(options.archive))
    runs = options.results / "post_protocol.csv"
    folder = options.results / "predictions" / f"post-{digest}-{options.epochs}"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "data": digest,
        "epochs": options.epochs,
        "commit": commit(),
        "device": device.type,
        "torch": torch.__version__,
    }
    for draw in range(options.draws):
        if done(runs, digest, options.epochs, draw):
            continue
        draws = independent_draws(data.groups, draw)
        checkpoint = WORK / f"{digest}-{options.epochs}-{draw}.safetensors"
        history, answers = run_draw(
            data, draws, draw, options.epochs, device, checkpoint, partial(say, draw)
        )
        predictions = folder / f"draw{draw}.csv.gz"
        write_table(predictions, answered(data, draws, answers))
        facts["predictions"] = predictions.relative_to(options.results).as_posix()
        append(runs, pd.DataFrame([{"draw": draw, **one, **facts} for one in history]))
        checkpoint.unlink()


def say(draw: int, record: dict[str, Any]) -> None:
    print(
        f"post_protocol: draw {draw}, epoch {record['epoch']}: loss {record['loss']:.3f}, "
        f"the post's precision {record['precision']:.3f}, unseen lesions {record['unseen']:.3f}",
        file=sys.stderr,
    )


def answered(data: LabelledImages, draws: Draws, answers: np.ndarray) -> pd.DataFrame:
    names = np.array(CLASSES)
    rows = draws.answered
    return pd.DataFrame(
        {
            "image": data.image_ids[rows],
            "lesion_id": data.groups[rows],
            "dx": names[data.labels[rows]],
            "answer": names[answers],
            "part": draws.part,
            "in_test": draws.in_test.astype(int),
        }
    )


def done(runs: Path, digest: str, epochs: int, draw: int) -> bool:
    if not runs.is_file():
        return False
    rows = pd.read_csv(runs)
    return bool(((rows.data == digest) & (rows.epochs == epochs) & (rows.draw == draw)).any())


def append(runs: Path, rows: pd.DataFrame) -> None:
    before = [pd.read_csv(runs)] if runs.is_file() else []
    after = pd.concat([*before, rows], ignore_index=True)
    write_text(runs, after.to_csv(index=False, lineterminator="\n", float_format="%.5g"))


if __name__ == "__main__":
    sys.exit(main())
