"""dvc.yaml against the code: what it lists is what the stages use."""

import ast
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from reproduction.imports import imported_files, shared_code
from stages.harness.params import Params, load_params
from tests.stages.clones import ROOT

PIPELINE: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")
STAGES: dict[str, Any] = PIPELINE["stages"]
ORDER = ["download", "verify", "remove_hair", "resize", "split"]
ORDER += ["find_lr", "train", "evaluate", "compress", "report"]
SHARED_CODE = shared_code(ROOT)
WITHOUT_EFFECT = {"remove_hair.cluster"}  # the same bytes from any number of machines


def outputs(stage: dict[str, Any]) -> list[str]:
    listed = [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]
    return [out if isinstance(out, str) else next(iter(out)) for out in listed]


def test_the_stages_are_those_of_the_design_in_order() -> None:
    assert list(STAGES) == ORDER
    files = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert files - {"__init__", "training"} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_code_dependencies_are_the_imports(name: str) -> None:
    imported = imported_files(ROOT, f"stages/{name}.py") - SHARED_CODE
    listed = [dep for dep in STAGES[name]["deps"] if dep.startswith(("stages/", "harmonic/"))]
    covered = {path for path in imported if any(is_in(path, dep) for dep in listed)}
    assert imported - covered == set(), "imported, but not in deps"
    code = [dep for dep in listed if not dep.endswith(".npz")]
    unused = [dep for dep in code if not any(is_in(path, dep) for path in imported)]
    assert unused == [], "in deps, but not imported"


@pytest.mark.parametrize("name", ORDER)
def test_a_folder_stands_for_files_most_of_which_are_imported(name: str) -> None:
    imported = imported_files(ROOT, f"stages/{name}.py")
    for dep in STAGES[name]["deps"]:
        if dep.startswith(("stages/", "harmonic/")) and (ROOT / dep).is_dir():
            files = [path.relative_to(ROOT).as_posix() for path in (ROOT / dep).rglob("*.py")]
            assert 2 * len(imported & set(files)) > len(files), dep


def is_in(path: str, dep: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")


@pytest.mark.parametrize("name", ORDER)
def test_every_path_stands_in_cmd(name: str) -> None:
    command = STAGES[name]["cmd"]
    assert command.startswith(f"python -m stages.{name} ")
    words = command.split()
    data = [
        dep for dep in STAGES[name]["deps"] if not dep.startswith(("stages/", "harmonic/", "$"))
    ]
    assert sorted(word for word in words[3:] if not word.startswith("--")) == sorted(
        [*data, *outputs(STAGES[name])]
    )


@pytest.mark.parametrize("name", ORDER)
def test_a_command_is_words_alone(name: str) -> None:
    """DVC hands it to a shell, which must find nothing to do: no value of a parameter above all."""
    assert re.fullmatch(r"[\w./ -]+", STAGES[name]["cmd"])


class Recorder:
    """Stands for parameters and notes which were read."""

    def __init__(self, params: Any, read: set[str], path: str = "") -> None:
        self.params, self.read, self.path = params, read, path

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.params, name)
        path = f"{self.path}{name}"
        if hasattr(value, "model_dump"):
            return Recorder(value, self.read, f"{path}.")
        self.read.add(path)
        return value


def read_params(name: str) -> set[str]:
    """The keys that a stage reads: those in its text, and those its settings are made from."""
    import stages.harness.exact
    import stages.training

    source = (ROOT / "stages" / f"{name}.py").read_text(encoding="utf-8")
    read = set(re.findall(r"params\.([a-z_]+(?:\.[a-z_]+)?)", source))
    if "model_dump" in read:
        return set(Params.model_fields)
    for section in re.findall(r"settings = stage\.params\.([a-z_]+)", source):
        read.discard(section)
        read |= {f"{section}.{key}" for key in re.findall(r"settings\.([a-z_]+)", source)}
    called = {
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    makers: dict[str, Any] = {
        maker.__name__: maker
        for maker in (
            stages.training.recipe_of,
            stages.training.network_options,
            stages.training.conv_of,
            stages.training.plan_of,
            stages.harness.exact.device_of,
        )
    }
    for name, maker in makers.items():
        if name in called:
            for network in ("small", "post"):
                params = load_params(ROOT / "params.yaml")
                train = params.train.model_copy(update={"network": network})
                recorder: Any = Recorder(params.model_copy(update={"train": train}), read)
                maker(recorder)
    return read


@pytest.mark.parametrize("name", ORDER)
def test_listed_params_are_the_ones_read(name: str) -> None:
    read = read_params(name) - WITHOUT_EFFECT
    listed = STAGES[name].get("params", [])
    assert {
        key for key in read if not any(key == p or key.startswith(f"{p}.") for p in listed)
    } == (set()), "read, but not listed"
    unread = [p for p in listed if not any(key == p or key.startswith(f"{p}.") for key in read)]
    assert unread == [], "listed, but not read"


def test_the_model_is_an_artifact() -> None:
    """So that a registry finds it by name, whatever its path."""
    (artifact,) = PIPELINE["artifacts"].values()
    assert artifact["path"] in outputs(STAGES["train"])
    assert artifact["type"] == "model"
    assert set(artifact) == {"path", "type", "desc"}


def test_outputs_of_costly_stages_are_cached() -> None:
    """A stage with an uncached output is never restored from the run cache."""
    for name, stage in STAGES.items():
        listed = [*stage.get("outs", []), *stage.get("metrics", [])]
        options = [next(iter(out.values())) for out in listed if isinstance(out, dict)]
        assert name == "evaluate" or all(option.get("cache", True) for option in options)
