"""python -m studies shrink: the copy of 200 × 150 that the tables of results/ were measured on."""

import argparse
from pathlib import Path

SIZE, ORIGINAL = (200, 150), (600, 450)
QUALITY = 75


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "shrink",
        help="a copy of the originals at 200 × 150, as the runs of results/ had it",
        description="Makes an archive of 200 × 150 from one of the originals (600 × 450) in any "
        "layout that `source: archive` takes, Kaggle's for one: bicubic, JPEG of quality 75. "
        "docs/pipeline.md says how close it comes to the copy that results/ was measured on.",
    )
    parser.add_argument("originals", type=Path, help="zip file or folder")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import tempfile
    from zipfile import ZipFile, ZipInfo

    from harmonic.data.sources.archive import METADATA, import_archives
    from harmonic.errors import InputError, printable
    from harmonic.files import check_outputs, whole
    from harmonic.images.parallel import in_processes

    output: Path = options.output
    check_outputs([("--output", output)], used=[options.originals], force=options.force)
    if output.suffix != ".zip":
        raise InputError(f"--output {output}: its name must end in .zip")
    with tempfile.TemporaryDirectory(dir=output.absolute().parent) as folder:
        raw = Path(folder)
        import_archives([options.originals], raw)
        paths = sorted((raw / "images").iterdir())
        made = in_processes(shrunk, [(path,) for path in paths], name="shrink")
        with whole(output) as unfinished, ZipFile(unfinished, "w") as archive:
            archive.writestr(ZipInfo(METADATA), (raw / METADATA).read_bytes())
            for path, content in zip(paths, made, strict=True):
                archive.writestr(ZipInfo(f"HAM10000_images/{path.name}"), content)
    size = output.stat().st_size
    print(f"{printable(output)}: {len(paths)} images of {SIZE[0]} × {SIZE[1]}, {size} bytes")


def shrunk(path: Path) -> bytes:
    """The JPEG of an original's smaller copy; InputError for an image of another size."""
    import io

    from PIL import Image

    from harmonic.errors import InputError
    from harmonic.images.decode import read_rgb

    image = Image.fromarray(read_rgb(path))
    if image.size != ORIGINAL:
        found, needed = (" × ".join(map(str, size)) for size in (image.size, ORIGINAL))
        raise InputError(f"image {path.name}: is {found}; an original is {needed}")
    content = io.BytesIO()
    image.resize(SIZE, Image.Resampling.BICUBIC).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()
