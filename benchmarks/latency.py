"""How long one answer takes, and whether a folded harmonic network costs what a plain one does.

    python -m benchmarks.latency models/model.safetensors IMAGE [--rounds 30] [--output FILE.md]

End to end is `python -m harmonic predict MODEL.onnx IMAGE --json`, from the start of the process to
its end, hair removal and 8 views included. The networks are two ONNX files of one shape, harmonic
(folded) and plain, that take turns; the difference of their medians is the figure.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from harmonic.deploy.export import export_onnx
from harmonic.deploy.predictor import OnnxPredictor, milliseconds
from harmonic.errors import InputError
from harmonic.files import check_outputs, write_text
from harmonic.images.decode import read_rgb
from harmonic.markdown import markdown_table
from harmonic.model_file.safetensors_file import described_network, load_model

BATCHES = (1, 64)


def end_to_end(model: Path, image: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Wall and processor seconds of each of `rounds` processes."""
    command = [sys.executable, "-m", "harmonic", "predict", str(model), str(image), "--json"]

    def spent() -> np.ndarray:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])

    turns = []
    for _ in range(rounds):
        before = spent()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        turns.append(spent() - before)
        if done.returncode:
            raise InputError(f"predict failed: {' '.join(done.stderr.splitlines()[-1:])}")
    wall, processor = np.transpose(turns).tolist()
    return wall, processor


def measured(source: Path, image: Path, rounds: int) -> str:
    """The page, in Markdown."""
    model, description = load_model(source)
    height, width = read_rgb(image).shape[:2]
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_onnx(model, description, folder / "own.onnx", {})
        wall, processor = end_to_end(folder / "own.onnx", image, max(5, rounds // 5))
        files = {}
        for conv in ("plain", "harmonic"):
            described = description.model_copy(update={"conv": conv})
            export_onnx(described_network(described), described, folder / f"{conv}.onnx", {})
            files[conv] = OnnxPredictor(folder / f"{conv}.onnx", threads=1)
        network = {batch: milliseconds(files, batch, rounds) for batch in BATCHES}
    rows = [
        (batch, f"{plain:.2f}", f"{harmonic:.2f}", f"{harmonic / plain - 1:+.1%}")
        for batch, (plain, harmonic) in ((n, one.values()) for n, one in network.items())
    ]
    heads = ("images", "plain", "harmonic, folded", "difference")
    return (
        "# Latency\n\n"
        f"`python -m benchmarks.latency {source} IMAGE --rounds {rounds}`, "
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n"
        f"One image of {width} × {height} end to end ({description.hair_method} hair removal): "
        f"{statistics.median(wall):.2f} s wall ({min(wall):.2f} at best), "
        f"{statistics.median(processor):.2f} s of processor time.\n\n"
        f"The network alone ({description.network}, {description.image_size} pixels, one thread), "
        "median ms a call:\n\n" + markdown_table(heads, rows, right=heads)
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="a .safetensors file")
    parser.add_argument("image", type=Path)
    parser.add_argument("--rounds", type=int, default=30, help="rounds to take medians over (30)")
    parser.add_argument("--output", type=Path, help="also write the page to this file")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    options = parser.parse_args(argv)
    try:
        check_outputs(
            [("--output", options.output)], used=[options.model, options.image], force=options.force
        )
        page = measured(options.model, options.image, options.rounds)
        print(page, end="")
        if options.output is not None:
            write_text(options.output, page)
    except InputError as error:
        print(f"latency: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
