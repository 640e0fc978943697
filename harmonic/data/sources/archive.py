"""`source: archive`: a zip file or folder in one of the layouts that people have becomes data/raw.

Kaggle's archive, Dataverse's files or its zip file of all of them, the files of the ISIC challenge.
Taken are the metadata table and the images that it names, each by its bare file name, so that
nothing an archive says about folders can place a file anywhere else. The Kaggle archive holds every
image twice (HAM10000_images_part_1 and ham10000_images_part_1); it is kept once.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from harmonic.data.metadata import SAFE_ID, parse_table
from harmonic.data.sources.isic_tables import LESIONS, TRUTH, join_tables
from harmonic.data.sources.members import Member, opened, require_free_disk
from harmonic.errors import InputError
from harmonic.files import write_bytes

METADATA = "HAM10000_metadata.csv"
TABLES = (".csv", "", ".tab", ".tsv", ".txt")
IMAGES = (".jpg", ".jpeg", ".png")
"""Of several suffixes the first is taken; a decoder goes by the content of a file, not its name."""


def fetch_archive(raw: Path, unfinished: Path, *, archive: Path) -> None:
    """Take the data set from an archive on disk; nothing unfinished is left."""
    import_archives([archive], raw)


def import_archives(archives: Sequence[Path], raw: Path) -> None:
    """Copy the metadata of archives to `raw/` and the images that it names to `raw/images/`.

    Files that are already there are whole and are kept, the table too, so an interrupted import
    goes on. Raises InputError, naming the archive and the member, for whatever `opened` refuses,
    and where there is no metadata or image, where two different files have one name, where a file
    that is needed has a fault or cannot be found for one, or where the disk has no room.
    """
    names = ", ".join(str(path) for path in archives)
    (raw / "images").mkdir(parents=True, exist_ok=True)
    table = raw / METADATA
    with ExitStack() as stack:
        members = [one for path in archives for one in stack.enter_context(opened(path, raw))]
        content = table.read_bytes() if table.exists() else find_table(members, names)
        image_ids = parse_table(content, f"{names}: {METADATA}", ("image_id",)).image_id
        chosen = choose_images(members, set(image_ids))
        if len(chosen) < len(image_ids):
            refuse_unopened(members)
        if not chosen:
            raise InputError(
                f"archive {names}: has no image that its table names, such as "
                f"{image_ids.iloc[0]}{IMAGES[0]}; {found(members)}"
            )
        places = {raw / f"images/{image_id}.jpg": chosen[image_id] for image_id in sorted(chosen)}
        missing = {place: member for place, member in places.items() if not place.exists()}
        require_free_disk({raw: len(content) + sum(member.size for member in missing.values())})
        if not table.exists():
            write_bytes(table, content, alone=True)
        if aside := {one.path.stem for one in wanted(members, IMAGES)} - set(image_ids):
            tqdm.write(f"import: images that no row of the table names, left aside: {len(aside)}")
        for place, member in tqdm(missing.items(), desc="import", unit="file", disable=None):
            member.copy(place)


def find_table(members: Sequence[Member], names: str) -> bytes:
    """The metadata table among the files of archives, or the two of ISIC made into one."""
    stem = METADATA.removesuffix(".csv").lower()
    if tables := [one for one in wanted(members, TABLES) if one.path.stem.lower() == stem]:
        return only_one(tables, TABLES).read()
    isic = [[one for one in members if one.path.name == name] for name in (TRUTH, LESIONS)]
    if all(isic):
        return join_tables(*(only_one(same, TABLES) for same in isic))
    refuse_unopened(members)
    raise InputError(
        f"archive {names}: has no {METADATA} (or .tab), nor {TRUTH} with {LESIONS}; "
        f"{found(members)}"
    )


def choose_images(members: Iterable[Member], image_ids: set[str]) -> dict[str, Member]:
    """The file of each of these images that has one."""
    files = defaultdict(list)
    for member in wanted(members, IMAGES):
        name = member.path.stem
        if name in image_ids and re.fullmatch(SAFE_ID, name):
            files[name].append(member)
    return {image_id: only_one(same, IMAGES) for image_id, same in files.items()}


def wanted(members: Iterable[Member], suffixes: Sequence[str]) -> list[Member]:
    """Those of these suffixes; truth/ is where the sample keeps masks and hairless originals."""
    return [one for one in members if one.suffix in suffixes and "truth" not in one.path.parts]


def only_one(members: Iterable[Member], suffixes: Sequence[str]) -> Member:
    """The one of the earliest suffix. Raises InputError where two of it are different files."""
    first, *others = sorted(members, key=lambda one: (suffixes.index(one.suffix), one.name))
    first.checked()
    for other in others:
        if other.suffix != first.suffix:
            break
        if other.checked().size != first.size or other.checksum() != first.checksum():
            raise InputError(
                f"archive {other.archive}: {first.name} and {other.name} are two different "
                f"files for {first.path.name}"
            )
    return first


def refuse_unopened(members: Iterable[Member]) -> None:
    """Raises InputError for a zip file or linked folder that could not be looked into."""
    for member in members:
        if member.fault and (member.suffix == ".zip" or (member.archive / member.name).is_dir()):
            raise member.fault


def found(members: Iterable[Member]) -> str:
    """The kinds of files that there are, for a message."""
    kinds = Counter(one.suffix or "without a suffix" for one in members)
    return f"found: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common(8))}"
