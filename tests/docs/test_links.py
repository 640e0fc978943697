"""No dead link on any page: every file and heading that one points to is there."""

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
LISTED = subprocess.run(
    ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"],
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
FILES = {name for name in LISTED if (ROOT / name).is_file()}
PAGES = sorted(name for name in FILES if name.endswith(".md"))
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)")
MADE = ("data/", "models/", "reports/", "logs/", "site/", "results/runs/", ".partial/")
"""What the pipeline or a command makes: a page may name it without its being in git."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: str) -> set[str]:
    """The names that headings get, on GitHub and on the site alike."""
    heads = re.findall(r"^#+ +(.*?) *$", CODE.sub(_words, text_of(page)), re.MULTILINE)
    kept = (re.sub(r"[^\w\s-]", "", head.lower()) for head in heads)
    return {head.replace(" ", "-") for head in kept}


def _words(code: re.Match[str]) -> str:
    return "" if code[0].startswith("```") else code[0].strip("`")


def dead_links(page: str, text: str) -> list[str]:
    """The links of a page within the repository that lead nowhere."""
    dead = []
    for target in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        found = (
            path.resolve().relative_to(ROOT).as_posix() if ROOT in path.resolve().parents else ""
        )
        if found not in FILES or (anchor and anchor not in anchors(found)):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert dead_links(page, text_of(page)) == []


def test_a_dead_link_is_found() -> None:
    text = "[a](leek.md) [b](layers.md#no-heading) [c](layers.md#what-it-costs) ![d](../no.svg)"
    assert dead_links("docs/hair.md", text) == ["leek.md", "layers.md#no-heading", "../no.svg"]
    assert dead_links("README.md", "`[a](b.md)` [c](https://nowhere.example) [d](/etc/passwd)") == [
        "/etc/passwd"
    ]


@pytest.mark.parametrize("page", [one for one in PAGES if one.startswith(("README", "docs/"))])
def test_every_place_that_is_named_is_there(page: str) -> None:
    folders = {name.rsplit("/", end)[0] for name in FILES for end in range(1, name.count("/") + 1)}
    tops = {name.split("/")[0] for name in folders}
    named = set(re.findall(r"`([\w.-]+/[\w./-]*)`", text_of(page)))
    places = {one for one in named if one.split("/")[0] in tops and not one.startswith(MADE)}
    assert {one for one in places if one.rstrip("/") not in FILES | folders} == set()


def test_every_page_is_on_the_site() -> None:
    site = YAML(typ="safe").load(text_of("mkdocs.yml"))
    listed = re.findall(r"[\w./-]+\.md", str(site["nav"]))
    assert len(listed) == len(set(listed))
    wanted = {one for one in PAGES if re.fullmatch(r"(docs/|results/)?(api/)?[\w-]+\.md", one)}
    assert set(listed) == wanted


def test_every_room_of_the_library_has_its_page_of_the_api() -> None:
    rooms = {
        name.split("/")[1] for name in FILES if re.fullmatch(r"harmonic/\w+/__init__\.py", name)
    }
    assert {f"docs/api/{room}.md" for room in rooms} | {"docs/api/index.md"} == {
        page for page in PAGES if page.startswith("docs/api/")
    }
    assert rooms == set(re.findall(r"\]\((\w+)\.md\)", text_of("docs/api/index.md")))
    for room in rooms:
        assert re.findall(r"^::: (.*)$", text_of(f"docs/api/{room}.md"), re.MULTILINE) == [
            f"harmonic.{room}"
        ]
