"""python -m tests.fuzz.worker KIND FIRST LAST FOLDER: tries mutations by their seeds.

Prints a line for each that went wrong. FOLDER/seed says at which it is, also after its own end.
"""

import contextlib
import io
import json
import math
import os
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS = 10
MEGABYTES = 2048

Try = Callable[[random.Random], str]
"""Makes a file of a seed's draws and uses it as a command would; returns what would be printed."""


class TooSlow(BaseException):
    """Not an Exception, as some readers catch them all."""


def told(use: Callable[[], object]) -> str:
    """What a command prints: what `use` gives, or the line of an InputError."""
    from harmonic.errors import InputError

    try:
        return str(use())
    except InputError as error:
        return str(error)


def model_file(folder: Path, suffix: str) -> Try:
    from harmonic.deploy.predictor import load_predictor
    from harmonic.evaluation.rules import decision_rules
    from harmonic.model_file.description import UNSEALED
    from tests.deploy.conftest import photograph
    from tests.fuzz import mutations

    whole = (folder / f"model.{suffix}").read_bytes()
    digest = load_predictor(folder / f"model.{suffix}").description.sha256
    whole = whole.replace(digest.encode(), UNSEALED.encode())
    change = mutations.onnx_file if suffix == "onnx" else mutations.safetensors
    import numpy as np

    image = photograph(0, 224, 224)

    def attempt(draw: random.Random) -> str:
        place = folder / f"{os.getpid()}.{suffix}"
        place.write_bytes(change(whole, draw))

        def use() -> str:
            found = load_predictor(place)
            said = found.description
            pixels = image[None, : said.image_size, : said.image_size]
            rules = decision_rules(
                found.logits(pixels), said.class_counts,
                imbalance=said.imbalance, temperature=said.calibration.temperature,
            )  # fmt: skip
            assert all(np.isfinite(rule).all() for rule in rules), "an answer that is no number"
            return "answered"

        return told(use)

    return attempt


def images(folder: Path) -> Try:
    from PIL import Image

    from harmonic.commands.predict import as_text
    from harmonic.deploy.answers import answers
    from harmonic.deploy.inputs import find_images
    from harmonic.deploy.predictor import load_predictor
    from tests.deploy.conftest import photograph
    from tests.fuzz import mutations

    predictor = load_predictor(folder / "model.onnx")
    photo = Image.fromarray(photograph(2))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photograph"
    ways = [
        *({"format": "JPEG"}, {"format": "JPEG", "progressive": True, "exif": exif}),
        *({"format": "PNG"}, {"format": "PNG", "exif": exif}, {"format": "BMP"}),
        *({"format": "TIFF", "compression": one} for one in (None, "tiff_lzw", "jpeg", "packbits")),
        *({"format": one, "save_all": True, "append_images": [photo]} for one in ("PNG", "MPO")),
        *({"format": "TIFF", "compression": "tiff_deflate"}, {"format": "GIF"}),
    ]
    whole = []
    for way in ways:
        content = io.BytesIO()
        photo.save(content, **way)
        whole.append((way["format"], content.getvalue()))

    def attempt(draw: random.Random) -> str:
        kind, content = draw.choice(whole)
        change = mutations.png if kind == "PNG" and draw.random() < 0.7 else mutations.mutated
        place = folder / f"{os.getpid()}.jpg"
        place.write_bytes(change(content, draw))
        (answer,) = answers(predictor, find_images([str(place)]))
        numbers = (answer.probabilities or {}).values()
        assert all(map(math.isfinite, numbers)), "an answer that is no number"
        return as_text(answer)

    return attempt


def tables(folder: Path) -> Try:
    from harmonic.data.metadata import read_metadata
    from harmonic.evaluation.runs import read_runs
    from tests.commands.given import write_fold
    from tests.fuzz.mutations import mutated

    run = folder / f"run{os.getpid()}"
    write_fold(run, 0)
    metadata = folder / f"{os.getpid()}.csv"
    metadata.write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        + "".join(f'HAM_{n},ISIC_{n:07d},nv,histo,{n}.0,"male",back\n' for n in range(20))
    )
    reads: dict[Path, Callable[[], object]] = {metadata: lambda: len(read_metadata(metadata))}
    for name in ("predictions.csv", "predictions_natural.csv", "metrics.json"):
        reads[run / "reports" / name] = lambda: len(read_runs([str(run)]))
    reads[run / "data/split.csv"] = lambda: len(read_runs([str(run)]))
    whole = {place: place.read_bytes() for place in reads}

    def attempt(draw: random.Random) -> str:
        place = draw.choice(list(reads))
        place.write_bytes(mutated(whole[place], draw))
        try:
            return told(reads[place])
        finally:
            place.write_bytes(whole[place])

    return attempt


def params(folder: Path) -> Try:
    from stages.harness.params import load_params
    from tests.fuzz.mutations import WORDS, YAML, mutated

    text = Path("params.yaml").read_text(encoding="utf-8")
    # Comments take most of the file, and a change in them is none.
    whole = "".join(f"{line.split('#')[0].rstrip()}\n" for line in text.splitlines()).encode()
    place = folder / f"{os.getpid()}.yaml"

    def attempt(draw: random.Random) -> str:
        place.write_bytes(mutated(whole, draw, WORDS + YAML * 3))
        return told(lambda: load_params(place).seed)

    return attempt


KINDS: dict[str, Callable[[Path], Try]] = {
    "safetensors": lambda folder: model_file(folder, "safetensors"),
    "onnx": lambda folder: model_file(folder, "onnx"),
    "images": images,
    "tables": tables,
    "params": params,
}


def fault(attempt: Try, seed: int) -> str:
    """What went wrong with one seed; empty for nothing."""
    errors = io.StringIO()
    started = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            said = attempt(random.Random(seed))
    except TooSlow:
        return f"took more than {SECONDS} s"
    except BaseException:
        return f"raised {traceback.format_exc()}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if errors.getvalue():
        return f"printed {errors.getvalue()!r}"
    if not all(line.isprintable() for line in said.split("\n    ")):
        return f"would print {said!r}"
    if "memory" in said or len(said) > 2000:
        return f"said {said[:200]!r}"
    spent = time.process_time() - started
    return f"took {spent:.1f} s" if spent > SECONDS else ""


def stop(*_: object) -> None:
    raise TooSlow


def main(kind: str, first: int, last: int, folder: Path) -> None:
    own = folder / f"{kind}-{first}"
    own.mkdir()
    for model in folder.glob("model.*"):
        (own / model.name).write_bytes(model.read_bytes())
    attempt = KINDS[kind](own)
    attempt(random.Random(-1))  # what is imported or laid out once is no case's
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEGABYTES * 2**20,) * 2)
    signal.signal(signal.SIGPROF, stop)
    for seed in range(first, last):
        (own / "seed").write_text(str(seed))
        if found := fault(attempt, seed):
            print(json.dumps({"seed": seed, "fault": found}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if peak > MEGABYTES:
        print(json.dumps({"seed": None, "fault": f"{peak} MB were held"}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
