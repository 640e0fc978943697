"""How "84 % precision and recall" came about: the blog post's protocol, rebuilt and taken apart.

    python -m benchmarks.post_protocol --archive ham10000-200x150.zip [--epochs 40]

The post of 2019 on harmonic networks for HAM10000 drew its training and its test images in two
independent, unseeded draws of 85 % and 15 %, so most test images were training images; it drew the
test images anew with equal class frequencies; it chose the epoch on them; and its precision and
recall were micro averages, which equal accuracy, both. This command does the same (the two draws
from two seeds, the post's network with its colour fault mended, flips and rotations added), and
then answers the question the post did not ask: how right is the network on images, and on lesions,
that it never saw? Writes results/post_protocol.md and .json.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.leak.__main__ import commit, key
from benchmarks.leak.design import Design
from benchmarks.leak.images import archive_images
from benchmarks.leak.trial import run_trial
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.bootstrap import QUANTILES, resampled_weights
from harmonic.evaluation.metrics import majority_baseline
from harmonic.evaluation.paired import balanced_accuracy
from stages.harness.params import Params, load_params

WORK = Path(".partial/post_protocol")
TEST_SHARE = 0.15


@dataclass(frozen=True)
class Part:
    """One part of the test draw: what the network scores there."""

    name: str
    images: int
    share: float
    accuracy: float
    """As the post counted: images drawn with equal class frequencies."""
    balanced_accuracy: float
    low: float
    high: float


def independent_draws(
    count: int, first_seed: int, second_seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training rows of one draw of all images, test rows of another, sorted; they overlap."""
    tested = round(TEST_SHARE * count)
    training = np.random.default_rng(first_seed).permutation(count)[tested:]
    test = np.random.default_rng(second_seed).permutation(count)[:tested]
    return np.sort(training), np.sort(test)


def parts_of(
    labels: NDArray[np.int64],
    lesions: NDArray[np.str_],
    seen_image: NDArray[np.bool_],
    seen_lesion: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    resamples: int,
) -> list[Part]:
    """The test draw as a whole, and by what of it stood in the training draw."""
    groups = {
        "the whole test draw, as in the post": np.ones(len(labels), dtype=bool),
        "images that were trained on": seen_image,
        "other photographs of lesions that were trained on": ~seen_image & seen_lesion,
        "lesions never seen": ~seen_lesion,
    }
    parts = []
    for name, rows in groups.items():
        if not rows.any():
            continue
        of_rows, answers = labels[rows], probabilities[rows].argmax(axis=1)
        frequencies = np.bincount(of_rows, minlength=len(CLASSES))
        weights = 1 / frequencies[of_rows]
        drawn = np.random.default_rng(0).choice(
            len(of_rows), size=20 * len(of_rows), p=weights / weights.sum()
        )
        spread = balanced_accuracy(
            of_rows,
            probabilities[rows],
            resampled_weights(of_rows, lesions[rows], resamples=resamples, seed=0),
        )
        low, high = np.quantile(spread, QUANTILES)
        once = np.ones((1, len(of_rows)))
        parts.append(
            Part(
                name=name,
                images=int(rows.sum()),
                share=float(rows.mean()),
                accuracy=float((answers[drawn] == of_rows[drawn]).mean()),
                balanced_accuracy=float(balanced_accuracy(of_rows, probabilities[rows], once)[0]),
                low=float(low),
                high=float(high),
            )
        )
    return parts


def table(parts: list[Part], facts: dict[str, object]) -> str:
    lines = [
        "# The blog post's protocol, taken apart\n",
        f"`{facts['command']}`, commit {facts['commit']}, data {facts['data']}, "
        f"{facts['epochs']} epochs of network {facts['network']}. Accuracy after drawing the "
        "images with equal class frequencies is what the post called precision and recall; "
        "balanced accuracy says the same of every image once, in brackets the 95 % interval over "
        "lesions. "
        f"Always answering the commonest class: {facts['majority']:.3f}.\n",
        "| part of the test draw | images | share | accuracy, resampled | balanced accuracy |",
        "|---|--:|--:|--:|--:|",
    ]
    for part in parts:
        lines.append(
            f"| {part.name} | {part.images} | {part.share:.0%} | {part.accuracy:.3f} | "
            f"{part.balanced_accuracy:.3f} [{part.low:.3f}, {part.high:.3f}] |"
        )
    return "\n".join(lines) + "\n"


def settings(options: argparse.Namespace) -> Params:
    """The post's: Adam at 0.001, weight decay 0.0001, batches of 32, balanced classes, dropout."""
    params = load_params(Path("params.yaml"))
    train = params.train.model_copy(
        update={
            "network": options.network,
            "imbalance": "class_weights",
            "dropout": 0.5,
            "zoom": 0.0,
            "shift": 0.0,
            "colour": 0.0,
        }
    )
    return params.model_copy(
        update={"epochs": options.epochs, "batch_size": 32, "image_size": 64, "train": train}
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.post_protocol",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--archive", type=Path, required=True, help="zip or folder")
    parser.add_argument("--epochs", type=int, default=40, help="the post had 300 (40)")
    parser.add_argument("--network", choices=("post", "small"), default="post")
    parser.add_argument("--resamples", type=int, default=2000, help="of the intervals (2000)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    options = parser.parse_args(arguments)
    try:
        if not options.archive.exists():
            raise InputError(f"--archive {options.archive} is not there")
        parts, facts = study(options)
    except InputError as error:
        print(f"post_protocol: {error}", file=sys.stderr)
        return 1
    text = table(parts, facts)
    print(text, end="")
    record = json.dumps({**facts, "parts": [asdict(part) for part in parts]}, indent=2)
    (options.results / "post_protocol.md").write_text(text, encoding="utf-8")
    (options.results / "post_protocol.json").write_text(record + "\n", encoding="utf-8")
    return 0


def study(options: argparse.Namespace) -> tuple[list[Part], dict[str, object]]:
    params = settings(options)
    data, digest = archive_images(options.archive, params.image_size, WORK / key(options.archive))
    training, test = independent_draws(len(data.labels), 1, 2)
    # The post chose the epoch on the test images, so they are the validation set here.
    design = Design(test, np.isin(test, training), test, training, training)
    checkpoint = WORK / f"{digest}-{options.network}-{options.epochs}.safetensors"
    probabilities, facts = run_trial(data, design, "clean", params, checkpoint)
    labels = data.labels[test]
    parts = parts_of(
        labels,
        data.groups[test],
        np.isin(test, training),
        np.isin(data.groups[test], data.groups[training]),
        probabilities,
        options.resamples,
    )
    return parts, {
        "command": f"python -m benchmarks.post_protocol --archive {options.archive.name} "
        f"--epochs {options.epochs} --network {options.network}",
        "commit": commit(),
        "data": digest,
        "epochs": options.epochs,
        "network": options.network,
        "majority": majority_baseline(labels)["majority_balanced_accuracy"],
        **facts,
    }


if __name__ == "__main__":
    sys.exit(main())
