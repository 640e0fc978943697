"""All ways to remove hair, side by side in one run: over drawn hair, and over hairless images.

python -m benchmarks.hair                                     # over phantoms
python -m benchmarks.hair --images HAM10000.zip --ids benchmarks/hair_truth/hairless.txt

Each hairless image gets dark, brown and light hair, in three densities in turn. The oracle is given
the true mask, and the dilation that suits it best. The table is made of means over images; "gap" is
the share of the way in PSNR at 64 × 64 from the DullRazor clone, in the better of its two forms, to
the oracle. One core, processor time, the least of three turns; the same seed draws the same hair.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from benchmarks import hair_images
from benchmarks.hair_images import Mask, Pixels, agreement, decoded, psnr, seconds_of, small
from harmonic.errors import InputError
from harmonic.files import check_outputs, write_bytes, write_text
from harmonic.images.decode import read_mask
from harmonic.images.hair import DEFAULT_METHOD, METHODS, hair_mask, inpaint, remove_hair
from harmonic.markdown import markdown_table
from harmonic.sample.strands import COLOURS, DENSITIES, add_hair

CLONE = "dullrazor"
UNDILATED = "dullrazor, undilated"
ORACLE = "oracle"
MASK = "hair_mask_"  # begins the name of a mask; an image's own name would promise the image
SHEET_ROWS = 12
REPEATS = 3
DIGITS = {"PSNR": 1, "inside": 1, "PSNR 64": 1, "SSIM": 3, "seconds": 3}


@dataclass(frozen=True)
class Case:
    """One image as drawn over, and what the default method made of it."""

    hairy: Pixels
    truth: Mask
    found: Mask
    removed: Pixels
    shortfall: float  # dB at 64 × 64 below the oracle


def attempts(hairy: Pixels, truth: Mask) -> Iterator[tuple[str, Mask, Pixels]]:
    """What each method finds and leaves; the oracle once for each dilation."""
    for method in METHODS:
        yield method, hair_mask(hairy, method), remove_hair(hairy, method)
    found = hair_mask(hairy, CLONE)
    yield UNDILATED, found, inpaint(hairy, found, 0)
    for reach in (0, 1, 2, 3, 4):
        yield f"{ORACLE} {reach}", truth, inpaint(hairy, truth, reach)


def drawn_over(image: Pixels, number: int, seed: int) -> tuple[list[dict], list[Case]]:
    """A row for each colour and attempt, and the cases of dark and brown hair for the sheet."""
    rows, cases = [], []
    for c, colour in enumerate(COLOURS):
        density = list(DENSITIES)[(number + c) % len(DENSITIES)]
        rng = np.random.default_rng([seed, number, c])
        hairy, truth = add_hair(image, rng, density=density, colour=colour)
        tried = {name: (found, removed) for name, found, removed in attempts(hairy, truth)}
        scores = {name: psnr(small(removed), small(image)) for name, (_, removed) in tried.items()}
        for name, (found, removed) in tried.items():
            rows.append(
                {
                    "hair": colour,
                    "method": name,
                    **agreement(found, truth),
                    "PSNR": psnr(removed, image),
                    "inside": psnr(removed, image, truth) if truth.any() else np.nan,
                    "SSIM": hair_images.similarity(removed, image),
                    "PSNR 64": scores[name],
                }
            )
        if colour != "light":
            best = max(score for name, score in scores.items() if name.startswith(ORACLE))
            below = best - scores[DEFAULT_METHOD]
            cases.append(Case(hairy, truth, *tried[DEFAULT_METHOD], below))
    return rows, cases


def on_bare_skin(image: Pixels) -> list[dict]:
    # Other work on the machine only ever adds time: the methods take turns, and the least counts.
    turns = [
        {method: seconds_of(remove_hair, image, method) for method in METHODS}
        for _ in range(REPEATS)
    ]
    removed = {method: remove_hair(image, method) for method in METHODS}
    return [
        {
            "method": method,
            "changed, %": 100 * float((after != image).any(axis=2).mean()),
            "PSNR": psnr(after, image),
            "PSNR 64": psnr(small(after), small(image)),
            "seconds": min(turn[method] for turn in turns),
        }
        for method, after in removed.items()
    ]


def beside_the_clone(clean: pd.DataFrame, decoding: float) -> pd.DataFrame:
    """With the time of each method as a multiple of the clone's, without and with decoding."""
    seconds = clean.seconds
    clone = float(seconds[clean.method == CLONE].iloc[0])
    together = (seconds + decoding) / (clone + decoding)
    return clean.assign(**{"× clone": seconds / clone, "× with decoding": together})


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means by hair and method, with the best oracle of each hair, and the gap closed."""
    parts = []
    for hair, of_hair in rows.groupby("hair", sort=False):
        part = of_hair.drop(columns="hair").groupby("method", sort=False).mean()
        oracles = part[part.index.str.startswith(ORACLE)]
        best = oracles["PSNR 64"].idxmax()
        part = part.drop(index=oracles.index.drop(best))
        low = max(part.loc[CLONE, "PSNR 64"], part.loc[UNDILATED, "PSNR 64"])
        part["gap"] = (part["PSNR 64"] - low) / (part.loc[best, "PSNR 64"] - low)
        part.insert(0, "hair", hair)
        parts.append(part.reset_index())
    return pd.concat(parts)


def markdown(table: pd.DataFrame) -> str:
    """Two digits where DIGITS does not say otherwise."""
    numbers = list(table.select_dtypes("number"))
    forms = {name: f"{{:.{DIGITS.get(name, 2)}f}}" for name in numbers}
    shown = table.assign(**{name: table[name].map(form.format) for name, form in forms.items()})
    return markdown_table(list(table), shown.to_numpy().tolist(), right=numbers)


def against_hand(images: Path, folder: Path) -> pd.DataFrame:
    """Mean agreement with the masks that were corrected by hand, and how many were there."""
    masks = {path.stem.replace(MASK, "ISIC_"): path for path in sorted(folder.glob(f"{MASK}*.png"))}
    rows = [
        {"method": method, **agreement(hair_mask(image, method), read_mask(masks[name]))}
        for name, content in hair_images.stored(images, None, set(masks))
        for image in [decoded(content)]
        for method in METHODS
        if method != "none"
    ]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).groupby("method", sort=False)
    return table.mean().reset_index().assign(images=table.size().to_numpy().astype(float))


def sheet(cases: list[Case]) -> Image.Image:
    """Before, mask, after, worst first; green: found, red: missed, blue: found, but no hair."""
    rows = []
    for case in sorted(cases, key=lambda case: -case.shortfall)[:SHEET_ROWS]:
        overlay = (case.hairy * 0.6 + 40).astype(np.uint8)
        overlay[case.found & case.truth] = (0, 200, 0)
        overlay[~case.found & case.truth] = (230, 0, 0)
        overlay[case.found & ~case.truth] = (0, 0, 255)
        pictures = [case.hairy, overlay, case.removed]
        rows.append(np.hstack([cv2.resize(each, (400, 300)) for each in pictures]))
    return Image.fromarray(np.vstack(rows))


def measure(
    images: list[tuple[str, Pixels]], seed: int, progress: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame, list[Case]]:
    """Over drawn hair, over the same images without hair, and the cases for the sheet."""
    rows, bare, cases = [], [], []
    for number, (name, image) in enumerate(images):
        progress(f"{number + 1} of {len(images)}: {name}")
        more, hard = drawn_over(image, number, seed)
        rows += more
        cases += hard
        bare += on_bare_skin(image)
    clean = pd.DataFrame(bare).groupby("method", sort=False).mean().reset_index()
    return summary(pd.DataFrame(rows)), clean, cases


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, help="folder or zip of hairless .jpg (phantoms)")
    parser.add_argument("--ids", type=Path, help="file of the names to use, one a line (all)")
    parser.add_argument("--truth", type=Path, help="folder of masks corrected by hand")
    parser.add_argument("--count", type=int, default=24, help="how many images, evenly (24)")
    parser.add_argument("--seed", type=int, default=0, help="of the hair and the phantoms (0)")
    parser.add_argument("--output", type=Path, help="also write the tables to this Markdown file")
    parser.add_argument("--sheet", type=Path, help="write the picture sheet here, as JPEG or PNG")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    options = parser.parse_args()
    try:
        run(options)
    except InputError as error:
        parser.error(str(error))


def run(options: argparse.Namespace) -> None:
    check_outputs(
        [("--output", options.output), ("--sheet", options.sheet)],
        used=[path for path in (options.images, options.ids, options.truth) if path],
        force=options.force,
    )
    cv2.setNumThreads(1)
    decoding, each = "", 0.0
    if options.images is None:
        images = list(hair_images.phantoms(options.count, options.seed))
    else:
        ids = set(options.ids.read_text(encoding="utf-8").split()) if options.ids else None
        contents = list(hair_images.stored(options.images, options.count, ids))
        if not contents:
            raise InputError(f"{options.images}: none of the images is there")
        images = [(name, decoded(content)) for name, content in contents]
        turns = [[seconds_of(decoded, one) for _, one in contents] for _ in range(REPEATS)]
        each = float(np.min(turns, axis=0).mean())
        decoding = f"; decoding takes {each:.3f} s an image"
    table, clean, cases = measure(images, options.seed, lambda text: print(text, flush=True))
    text = f"Drawn hair over {len(images)} images, seed {options.seed}:\n\n{markdown(table)}\n"
    text += f"The same images without hair, processor time on one core, the least of {REPEATS} "
    text += f"turns{decoding}:\n\n{markdown(beside_the_clone(clean, each))}"
    if options.truth and options.images:
        text += "\nReal hair, masks corrected by hand:\n\n"
        text += markdown(against_hand(options.images, options.truth))
    print(text)
    if options.output:
        write_text(options.output, text)
    if options.sheet:
        kind = "PNG" if options.sheet.suffix.lower() == ".png" else "JPEG"
        write_bytes(options.sheet, hair_images.encoded(sheet(cases), kind))


if __name__ == "__main__":
    main()
