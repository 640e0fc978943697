"""The metadata table: what is read, and what is refused with which words."""

from pathlib import Path

import pytest

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
    with pytest.raises(InputError, match="not a readable CSV"):
        read_metadata(path)
