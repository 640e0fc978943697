"""The wheel: built from the sources, installed beside torch alone, used for ten lines."""

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent

TEN_LINES = """
import torch
from torch import nn
from harmonic import HarmonicConv2d, build_network, filter_bank, fold, harmonize, truncate
plain = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, groups=2))
images = torch.randn(2, 3, 16, 16)
harmonic = harmonize(plain)
assert torch.allclose(harmonic(images), plain(images), atol=1e-5)
assert torch.allclose(fold(truncate(harmonic, 2))(images), truncate(harmonic, 2)(images), atol=1e-5)
assert filter_bank(3).shape == (9, 3, 3)
assert build_network("small", batch_norm="all")(torch.randn(2, 3, 32, 32)).shape == (2, 7)
"""

FOREIGN = """
import importlib.util, sys
names = ("pandas", "cv2", "skimage", "sklearn", "dvc")
found = [one for one in names if importlib.util.find_spec(one)]
sys.exit(f"not an empty environment: {found}" if found else 0)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    sources, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, sources)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "harmonic", sources / "harmonic", ignore=ignore)
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        sources,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheel):
    """The interpreter of an environment that holds the wheel, torch and what torch requires."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    interpreter = folder / "bin" / "python"
    if not interpreter.exists():
        pytest.skip("needs an environment with bin/python")
    run(sys.executable, "-m", "pip", "--python", interpreter, "install", "--no-deps", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in with_requirements("torch"):
        link_distribution(metadata.distribution(name), site)
    return interpreter


def run(*command):
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def with_requirements(name):
    """The distribution and all it requires that is installed here."""
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            requirements = [Requirement(one) for one in requires]
            waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate()]
    return found


def link_distribution(distribution, site):
    """Links a distribution's top-level files and folders, so that nothing needs a download."""
    for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
        target = site / top
        if not target.exists():
            target.symlink_to(Path(distribution.locate_file(top)))


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "harmonic/py.typed" in names
    assert "harmonic/nn/conv.py" in names
    assert "harmonic/nn/networks/small.py" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"harmonic", "harmonic_networks"}
    requires = zipfile.ZipFile(wheel).read(
        next(name for name in names if name.endswith("METADATA"))
    )
    needed = [
        line
        for line in requires.decode().splitlines()
        if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert needed == ["Requires-Dist: torch>=2.4"]


@pytest.mark.slow
def test_the_library_works_in_an_environment_with_torch_alone(python, tmp_path):
    run(python, "-I", "-c", FOREIGN)
    run(python, "-I", "-c", TEN_LINES)
    assert "bench" in run(python, "-I", "-m", "harmonic", "--help")


@pytest.mark.slow
def test_importing_it_loads_no_torch(python):
    out = run(python, "-I", "-c", "import sys, harmonic; print('torch' in sys.modules)")
    assert out.strip() == "False"
