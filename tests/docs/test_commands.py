"""Every command on README and the pages of docs/ exists and would be understood."""

import argparse
import importlib.util
import pkgutil
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harmonic import commands
from stages.harness.params import Params
from studies import commands as study_commands

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_of(page: Path) -> list[str]:
    """What stands in shell blocks and, after a program's name, in backticks; `a && b` is two."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    prose = " ".join(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).split())
    lines += re.findall(r"`((?:make|python|dvc) [^`]*)`", prose)
    joined = [part.strip() for line in lines for part in line.split(" #")[0].split("&&")]
    return [command for command in joined if command]


FOUND = sorted({command for page in PAGES for command in commands_of(page)})


REGISTRIES = {"harmonic": commands, "studies": study_commands}


def parser_of(module: str) -> argparse.ArgumentParser:
    class Strict(argparse.ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]
            raise ValueError(message)

    parser = Strict()
    subparsers = parser.add_subparsers(required=True)
    package = REGISTRIES[module]
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(found.name).add(subparsers)
    return parser


def understand(command: str) -> None:
    """Raises an error where the command, its options or its parameters are unknown."""
    program, *words = shlex.split(command.replace("…", "X"))
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(targets), f"{command}: no target"
    elif program == "dvc":
        for setting in (words[place + 1] for place, word in enumerate(words) if word == "-S"):
            understand_setting(setting)
    elif program == "python":
        assert words[0] == "-m"
        understand_module(words[1], words[2:])
    else:
        assert program in {".", "git", "pip"}, f"{command}: not a program that pages use"


def understand_setting(setting: str) -> None:
    """`key=value` or `key=value,value` of `dvc exp run -S`, checked as a stage checks it."""
    key, _, value = setting.partition("=")
    values = value.split(",") if key in ("model", "seed") else [value]
    for one in values:
        tree = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        *sections, last = key.split(".")
        branch = tree
        for section in sections:
            branch = branch[section]
        assert last in branch, f"{setting}: no such parameter"
        branch[last] = YAML(typ="safe", pure=True).load(one.replace("$HOME", "/home/me"))
        if key == "archive":
            continue
        Params.model_validate(tree)


def understand_module(module: str, arguments: list[str]) -> None:
    if module in REGISTRIES:
        if len(arguments) == 1 and arguments != ["X"]:  # a command that is only named
            with pytest.raises(SystemExit):
                parser_of(module).parse_args([*arguments, "--help"])
        elif len(arguments) > 1:
            parser_of(module).parse_args(arguments)
        return
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"python -m {module}: no such module"
    assert spec.origin is not None
    source = Path(spec.origin)
    files = source.parent.glob("*.py") if source.name == "__init__.py" else [source]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    if source.name == "__init__.py":
        assert (source.parent / "__main__.py").is_file(), f"python -m {module}: cannot be run"
    for option in (word for word in arguments if word.startswith("--")):
        assert f'"{option}"' in code, f"python -m {module}: no {option}"


def test_there_are_commands_to_check() -> None:
    assert len(FOUND) > 30
    assert {"make run", "make test"} <= set(commands_of(ROOT / "README.md"))


@pytest.mark.parametrize("command", FOUND)
def test_a_command_would_be_understood(command: str) -> None:
    understand(command)


@pytest.mark.parametrize(
    "command",
    [
        "make coffee",
        "python -m benchmark.leek",
        "python -m harmonic predct model.safetensors a.jpg",
        "python -m harmonic predict model.safetensors a.jpg --jsn",
        "python -m docs.render --chek",
        "dvc exp run -S learning_rate=0.1",
        "dvc exp run -S train.level=seven",
    ],
)
def test_a_wrong_command_is_noticed(command: str) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError, ModuleNotFoundError)):
        understand(command)
