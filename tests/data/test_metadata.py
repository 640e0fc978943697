"""The metadata table: what is read, and what is refused with which words."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.data.lesions import MANY_IMAGES, doubtful_lesions
from harmonic.data.metadata import read_metadata
from harmonic.errors import InputError

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
ROWS = "HAM_2,ISIC_2,nv,histo,50.0,male,back\nHAM_1,ISIC_1,mel,histo,,unknown,\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "HAM10000_metadata.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_come_sorted_and_missing_values_stay_missing(tmp_path: Path) -> None:
    table = read_metadata(written(tmp_path, HEADER + ROWS))
    assert table.image_id.tolist() == ["ISIC_1", "ISIC_2"]
    assert table.age.isna().tolist() == [True, False]
    assert table.sex.tolist() == ["unknown", "male"]
    assert table.localization.tolist() == ["", "back"]


def test_the_eighth_column_of_dataverse_is_dropped(tmp_path: Path) -> None:
    text = HEADER.strip() + ",dataset\nHAM_1,ISIC_1,nv,histo,5,male,back,vidir\n"
    assert "dataset" not in read_metadata(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a readable CSV"),
        (HEADER, "has no row"),
        (HEADER.replace("dx,", "") + "a,b,c,5,male,back\n", "column dx is missing"),
        (HEADER + ROWS.replace("nv", "naevus"), "line 2: dx is 'naevus'; allowed are mel, nv"),
        (HEADER + ROWS.replace("ISIC_1", "ISIC_2"), "line 3: image_id is 'ISIC_2'; a second row"),
        (HEADER + ROWS.replace("ISIC_1", "../up"), "line 3: image_id is '../up'; letters"),
        (HEADER + ROWS.replace("HAM_1", ""), "line 3: lesion_id is ''"),
        (HEADER + ROWS.replace("50.0", "old"), "line 2: age is 'old'; a number of years"),
        (HEADER + ROWS.replace("50.0", "-3"), "line 2: age is '-3'"),
        (HEADER + ROWS + "a,b,c,d,e,f,g,h,i,j\n", "not a readable CSV"),
        (HEADER + ROWS + "HAM_3,ISIC_3,nv,histo,5", "line 4 has 5 cells, the header 7"),
        ("dx," + HEADER + ROWS.replace("HAM", "mel,HAM"), "column dx stands there twice"),
    ],
)
def test_a_fault_is_named_with_line_and_value(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_metadata(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        read_metadata(tmp_path / "no.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(b"\xff\xfe\x00\x80" * 50)
    with pytest.raises(InputError, match="is not in UTF-8; save it"):
        read_metadata(path)


@pytest.mark.parametrize(
    "text", ["NA", "na", "N/A", "nan", "NaN", "Unknown", "none", "NULL", "?", "-", "_", "", " "]
)
def test_what_stands_for_no_lesion_is_no_id(tmp_path: Path, text: str) -> None:
    """As one id it would make a single lesion of all photographs whose lesion is not known."""
    with pytest.raises(InputError, match="line 3: lesion_id is"):
        read_metadata(written(tmp_path, HEADER + ROWS.replace("HAM_1", text)))


def test_ids_are_the_text_that_stands_there(tmp_path: Path) -> None:
    text = HEADER + "".join(
        f"{lesion},{image},nv,histo,,,NA\n"
        for lesion, image in (("007", "NA"), ("1e3", "0001"), ("0x1F", "nan"), ("1_0", "-1"))
    )
    table = read_metadata(written(tmp_path, text))
    assert table.image_id.tolist() == ["-1", "0001", "NA", "nan"]
    assert table.lesion_id.tolist() == ["1_0", "1e3", "007", "0x1F"]
    assert set(table.localization) == {"NA"}


@given(
    gaps=st.lists(st.sampled_from(["", "\n", "\r\n", " \n", ",,,,,,\n"]), min_size=6, max_size=6),
    cells=st.lists(
        st.sampled_from(["back", '"upper\nback"', '"a\r\n\nb"']), min_size=5, max_size=5
    ),
    wrong=st.integers(0, 4),
)
def test_the_line_named_is_the_line_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[str], cells: list[str], wrong: int
) -> None:
    rows = [
        f"HAM_{n},ISIC_{n},{'wart' if n == wrong else 'nv'},histo,5,male,{cell}\n"
        for n, cell in enumerate(cells)
    ]
    text = gaps[0] + HEADER + "".join(gap + row for gap, row in zip(gaps[1:], rows, strict=True))
    path = tmp_path_factory.mktemp("lines") / "HAM10000_metadata.csv"
    path.write_bytes(text.encode())
    with pytest.raises(InputError) as caught:
        read_metadata(path)
    line = int(str(caught.value).partition(", line ")[2].partition(":")[0])
    assert ",wart," in text.split("\n")[line - 1]


def test_a_quote_that_is_never_closed_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a readable CSV table \(line 3: "):
        read_metadata(written(tmp_path, HEADER + ROWS.replace("HAM_1", '"HAM_1')))


def test_lesions_of_several_diagnoses_or_dozens_of_images_are_told() -> None:
    def lesions(*ids: str) -> list[str]:
        table = pd.DataFrame({"lesion_id": ids, "dx": "nv"})
        table.loc[table.lesion_id == "two", "dx"] = ["nv", "mel", "nv"][: ids.count("two")]
        return doubtful_lesions(table)

    assert lesions(*["one"] * (MANY_IMAGES - 1), "other") == []
    (line,) = lesions("one", "two", "two")
    assert line.startswith("lesion two has more than one diagnosis (1 such lesions)")
    (line,) = lesions(*["one"] * MANY_IMAGES, "other")
    assert line.startswith(f"lesion one has {MANY_IMAGES} images or more")
