"""How long a whole folder takes: hair removal, then resizing, as the pipeline does both.

python -m benchmarks.hair_speed --images HAM10000.zip --jobs 2

Files are decoded, cleaned and written as the stage `remove_hair` does it, then resized as the stage
`resize` does it; the start of the worker processes counts. Seconds are wall-clock.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.hair_images import stored
from harmonic.images.hair import DEFAULT_METHOD, METHODS
from harmonic.images.hair.folder import remove_hair_from_files
from harmonic.images.resize import stack_resized


def seconds_of_both(
    images: Path, folder: Path, method: str, size: int, jobs: int
) -> tuple[int, float, float]:
    """The number of images, and the seconds of hair removal and of resizing them all."""
    source, cleaned = folder / "source", folder / "cleaned"
    source.mkdir()
    names = []
    for name, content in stored(images, None, None):
        (source / f"{name}.jpg").write_bytes(content)
        names.append(name)
    started = time.perf_counter()
    remove_hair_from_files(names, source, cleaned, method, jobs=jobs)
    removed = time.perf_counter()
    paths = [cleaned / f"{name}.jpg" for name in names]
    stack_resized(paths, folder / "images.npy", size, "squash", jobs=jobs)
    return len(names), removed - started, time.perf_counter() - removed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="folder or zip of .jpg")
    parser.add_argument("--method", choices=METHODS, default=DEFAULT_METHOD)
    parser.add_argument("--size", type=int, default=64, help="side in pixels (64)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        count, removing, resizing = seconds_of_both(
            options.images, Path(folder), options.method, options.size, options.jobs
        )
    print(
        f"{count} images, {options.jobs} processes: {options.method} {removing:.1f} s, "
        f"resize to {options.size} {resizing:.1f} s, together {removing + resizing:.1f} s"
    )


if __name__ == "__main__":
    main()
