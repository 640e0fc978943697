"""harmonic.nn needs torch alone, and `import harmonic` needs nothing at all."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import harmonic

PACKAGE = Path(harmonic.__file__).parent


@pytest.mark.parametrize("file", sorted((PACKAGE / "nn").rglob("*.py")), ids=lambda one: one.stem)
def test_the_layers_import_torch_and_the_standard_library_only(file):
    package = ".".join(("harmonic", *file.relative_to(PACKAGE).parts[:-1]))
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            names = [importlib.util.resolve_name(name, package)]
        else:
            continue
        for name in names:
            root = name.split(".")[0]
            assert (
                root == "torch" or root in sys.stdlib_module_names or name.startswith("harmonic.nn")
            ), f"{file.name} imports {name}"


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_package_loads_no_library():
    heavy = "{'torch', 'numpy', 'pandas', 'cv2', 'skimage', 'sklearn', 'PIL'}"
    result = run(
        f"import sys, harmonic; print(sorted({heavy} & set(sys.modules)));"
        "harmonic.filter_bank; print('torch' in sys.modules, 'pandas' in sys.modules)"
    )
    assert result.stdout.split("\n")[:2] == ["[]", "True False"], result.stderr


def test_all_names_are_there_and_no_others():
    for name in harmonic.__all__:
        assert callable(getattr(harmonic, name))
        assert name in dir(harmonic)
    with pytest.raises(AttributeError, match="no attribute 'harmonise'"):
        _ = harmonic.harmonise
