"""Exact mode: when it holds, what it sets, and that it makes bits independent of the machine."""

import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from harmonic.errors import InputError
from stages.harness.exact import VARIABLES, compute_exactly, device_of, is_exact
from stages.harness.params import Params, load_params
from tests.stages.clones import ROOT


def params_with(**changes: Any) -> Params:
    tree = load_params(ROOT / "params.yaml").model_dump() | changes
    return Params.model_validate(tree)


@pytest.mark.parametrize(
    ("exact", "source", "device", "expected"),
    [
        ("auto", "sample", "auto", True),
        ("auto", "sample", "cpu", True),
        ("auto", "sample", "cuda", False),
        ("auto", "kaggle", "auto", False),
        (True, "kaggle", "auto", True),
        (False, "sample", "auto", False),
    ],
)
def test_exact_mode_holds_where_asked_and_for_the_sample(
    exact: Any, source: str, device: str, expected: bool
) -> None:
    params = params_with(exact=exact, source=source, device=device)
    assert is_exact(params) is expected
    assert device_of(params) == ("cpu" if expected else device)


def test_exact_mode_and_cuda_are_refused_together() -> None:
    with pytest.raises(ValueError, match="true needs device auto or cpu, not cuda:1"):
        params_with(exact=True, device="cuda:1")


def test_too_late_is_said(monkeypatch) -> None:
    import numpy  # noqa: F401  as a stage must not

    monkeypatch.delenv("MKL_CBWR", raising=False)
    for name, value in VARIABLES.items():
        if name != "MKL_CBWR":
            monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"too late, as numpy.* set MKL_CBWR='COMPATIBLE'"):
        compute_exactly("train", params_with(exact=True))
    compute_exactly("train", params_with(exact=False))


def test_numpy_loads_whatever_the_environment_asks_of_it() -> None:
    code = (
        "from stages.harness.exact import compute_exactly; "
        "from stages.harness.params import load_params; "
        "from pathlib import Path; compute_exactly('train', load_params(Path('params.yaml'))); "
        "import numpy"
    )
    wanted = os.environ | {"NPY_ENABLE_CPU_FEATURES": "X86_V3"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=wanted, check=True)


STEPS = """
import hashlib
from pathlib import Path
from stages.harness.exact import compute_exactly
from stages.harness.params import load_params
compute_exactly("train", load_params(Path("params.yaml")))
import numpy as np
import torch
from harmonic.nn.networks import build_network
torch.manual_seed(0)
model = build_network("small", conv="harmonic", width=8)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
for _ in range(3):
    images = torch.randn(16, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    loss = torch.nn.functional.cross_entropy(model(images), torch.arange(16) % 7)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
state = b"".join(value.numpy().tobytes() for value in model.state_dict().values())
product = np.linspace(0, 9, 10007) @ (np.arange(10007) / 7)
print(hashlib.sha256(state).hexdigest(), float(product).hex(), torch.get_num_threads())
"""
WITHOUT_FMA = "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX,-AVX512F,-AVX512VL"


def printed_by(*prefix: str, **extra: str) -> str:
    """What STEPS prints in a process of its own, started with `prefix` and `extra` variables."""
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [*prefix, sys.executable, "-c", STEPS],
        cwd=ROOT, env=plain | extra, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.slow
def test_steps_of_training_do_not_depend_on_vectors_and_threads() -> None:
    printed = {
        printed_by(OMP_NUM_THREADS="2", ATEN_CPU_CAPABILITY="avx512"),
        printed_by(OMP_NUM_THREADS="1", ATEN_CPU_CAPABILITY="avx2", PYTHONHASHSEED="3"),
        printed_by(GLIBC_TUNABLES=WITHOUT_FMA, ONEDNN_MAX_CPU_ISA="AVX2"),
    }
    assert len(printed) == 1
    assert printed.pop().split()[-1] == "1"


@pytest.mark.slow
def test_steps_of_training_are_those_of_a_processor_without_avx() -> None:
    qemu = shutil.which("qemu-x86_64")
    if qemu is None:
        pytest.skip("needs qemu-x86_64 (Debian: apt-get install qemu-user)")
    assert printed_by(qemu, "-cpu", "Nehalem") == printed_by()
