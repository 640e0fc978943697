"""Verify: every image decoded, every row checked, before anything is built on them.

data/raw/  ->  data/index.csv          a row an image, sorted by id, with its lesion group and size
               data/inspection.csv     a row an image: format, mode, channel statistics, digest, and
                                       what it has in common with the original of its id
               data/duplicates.csv     images that look like one of another lesion group
               data/fingerprint.json   counts, sizes, channel statistics, one digest over all
                                       images, and whether this is HAM10000
"""

import sys
import textwrap
from functools import partial
from typing import TextIO

from harmonic.data.lesions import doubtful_lesions, known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.data.verification import verified
from harmonic.files import write_json
from stages.harness.stage import Stage, run_stage
from stages.split import assign_sets


def work(stage: Stage) -> None:
    metadata = read_metadata(stage.reads.raw / "HAM10000_metadata.csv")
    lesions = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    image_ids, dx = metadata.image_id.to_numpy(dtype=str), metadata.dx.to_numpy(dtype=str)
    # What the split would refuse, such as a class without images, is told before hours of work.
    assign_sets(stage, image_ids, lesions, dx)
    made = verified(metadata.assign(lesion_group=lesions), stage.reads.raw / "images", "verify")
    found = made.fingerprint
    tables = {
        stage.writes.index: made.index,
        stage.writes.inspection: made.inspection,
        stage.writes.duplicates: made.duplicates,
    }
    for path, table in tables.items():
        table.to_csv(path, index=False, lineterminator="\n")
    write_json(stage.writes.fingerprint, found)
    tell(
        f"{found['images']} images of {found['lesions']} lesions "
        f"({found['lesion_groups']} groups); {found['images_without_a_row']} files without a row"
    )
    tell(f"{found['identity']['verdict']}: {found['identity']['how']}")
    warnings = doubtful_lesions(metadata)
    relabelled = found["identity"]["known_ids"] - found["identity"]["label_matches"]
    if relabelled and found["identity"]["verdict"] != "other":
        warnings.append(
            f"{relabelled} images of HAM10000 come with another lesion id or diagnosis than there "
            "(data/inspection.csv, same_label)"
        )
    if len(made.duplicates):
        warnings.append(
            f"{len(made.duplicates)} images look like one of another lesion group "
            "(data/duplicates.csv); a split by lesion may divide them"
        )
    for warning in warnings:
        tell(f"warning: {warning}", sys.stderr)


def tell(text: str, file: TextIO | None = None) -> None:
    """Print what the stage found, in lines that a terminal does not break within words."""
    lines = textwrap.wrap(
        f"verify: {text}",
        80,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    print("\n".join(lines), file=file or sys.stdout)


WRITES = ["index", "inspection", "duplicates", "fingerprint"]
main = partial(run_stage, "verify", work, reads=["raw"], writes=WRITES)

if __name__ == "__main__":
    sys.exit(main())
