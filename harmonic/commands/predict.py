"""python -m harmonic predict: a trained network's answers for photographs of skin lesions."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harmonic.deploy.answers import Answer
    from harmonic.deploy.predictor import Predictor

NOTICE = (
    "This is no medical device: research software, trained on one data set, never tested on "
    "patients. It cannot tell whether a lesion is harmless; ask a doctor."
)
MANY = 50


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "predict",
        help="a trained network's answers for photographs",
        description="Prints calibrated probabilities of the seven classes for each image; a bad "
        f"image has its row too, and the exit status is then 1. {NOTICE}",
    )
    parser.add_argument("model", type=Path, help=".safetensors, or .onnx, which needs no torch")
    parser.add_argument("images", nargs="+", help="files, folders, or - for standard input")
    parser.add_argument("--json", action="store_true", help="print a JSON list, an object an image")
    parser.add_argument("--hair", metavar="METHOD", help="hair removal instead of the model's own")
    parser.add_argument(
        "--explain",
        metavar="DIR",
        type=Path,
        help="write where the network looks to DIR/NAME-explained.png (.safetensors)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from harmonic.deploy.answers import answers
    from harmonic.deploy.explain import picture_names
    from harmonic.deploy.inputs import find_images
    from harmonic.deploy.predictor import load_predictor
    from harmonic.files import check_outputs

    predictor = load_predictor(options.model)
    sources = find_images(options.images)
    found: Iterable[Answer] = answers(predictor, sources, hair_method=options.hair)
    if options.explain is not None:
        names = picture_names([source.name for source in sources])
        check_outputs(
            [("--explain", options.explain / name) for name in names if options.explain.is_dir()],
            used=[options.model, *(Path(one.name) for one in sources if not one.problem)],
            force=options.force,
        )
        found = explained(found, names, predictor, options.explain)
    found = tqdm(
        found, total=len(sources), unit="image", disable=None if len(sources) > MANY else True
    )
    failed = False
    documents = []
    if not options.json:
        print(fill(NOTICE, 80))
    for answer in found:
        failed |= bool(answer.error)
        if options.json:
            documents.append(answer.document())
        else:
            tqdm.write(as_text(answer))  # above the bar, where there is one
    if options.json:
        print(json.dumps(documents, indent=2))
        print(fill(NOTICE, 80), file=sys.stderr)
    return 1 if failed else 0


def as_text(answer: "Answer") -> str:
    from harmonic.data.classes import CLASS_NAMES
    from harmonic.errors import printable

    image = printable(answer.image)
    if answer.error or answer.probabilities is None:
        return f"{image}: error: {printable(answer.error)}"
    ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    figures = "  ".join(f"{name} {probability:.3f}" for name, probability in ranked)
    warning = answer.warning and f" ({answer.warning})"
    return f"{image}: {CLASS_NAMES[answer.prediction]}{warning}\n    {figures}"


def explained(
    found: "Iterable[Answer]", names: Sequence[str], predictor: "Predictor", folder: Path
) -> "Iterator[Answer]":
    """Passes answers on; writes a picture of each that has one into the folder, by its name."""
    from harmonic.deploy.explain import Explainer

    explainer = Explainer(predictor, folder)
    for answer, name in zip(found, names, strict=True):
        if not answer.error:
            explainer.write(answer, name)
        yield answer
