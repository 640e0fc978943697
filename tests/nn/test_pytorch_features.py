"""What works with nn.Conv2d works with HarmonicConv2d: devices, dtypes, compilers, DDP."""

import copy
import io
import os
import subprocess
import sys

import pytest
import torch

from harmonic import HarmonicConv2d, filter_bank, fold


def layers():
    torch.manual_seed(0)
    return [
        HarmonicConv2d(3, 8, 3, padding=1, level=3, norm="l1", batch_norm=flag)
        for flag in (False, True)
    ]


def test_the_state_dict_holds_no_bank():
    linear, normalised = layers()
    assert list(linear.state_dict()) == ["weight", "bias"]
    statistics = ["running_mean", "running_var", "num_batches_tracked"]
    assert list(normalised.state_dict()) == ["weight", "bias", *statistics]


@pytest.mark.parametrize("layer", layers())
def test_a_saved_layer_loads_into_a_fresh_one(layer):
    layer(torch.randn(4, 3, 9, 9))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = HarmonicConv2d(
        3, 8, 3, padding=1, level=3, norm="l1", batch_norm=layer.batch_norm
    ).eval()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    images = torch.randn(2, 3, 9, 9)
    assert torch.equal(fresh(images), copy.deepcopy(layer).eval()(images))


@pytest.mark.parametrize("layer", layers())
def test_a_layer_made_double_has_the_exact_bank(layer):
    for path in (layer.double(), layer.half().double(), layer.bfloat16().to(torch.float64)):
        assert torch.equal(path.filter_bank, filter_bank(3, level=3, norm="l1"))
    assert layer.float().filter_bank.dtype == torch.float32


def test_a_layer_made_on_the_meta_device_can_be_filled():
    with torch.device("meta"):
        layer = HarmonicConv2d(3, 8, 3, batch_norm=True)
    assert layer.weight.is_meta
    layer = layer.to_empty(device="cpu")
    layer.reset_parameters()
    assert torch.equal(layer.filter_bank, filter_bank(3).float())
    assert layer(torch.randn(2, 3, 8, 8)).isfinite().all()


@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_state_dict_may_be_assigned(layer, device, dtype):
    saved = copy.deepcopy(layer).to(dtype)
    arguments = {"padding": 1, "level": 3, "norm": "l1", "batch_norm": layer.batch_norm}
    fresh = HarmonicConv2d(3, 8, 3, device=device, **arguments)
    fresh.load_state_dict(saved.state_dict(), assign=True)
    assert torch.equal(fresh.filter_bank, filter_bank(3, level=3, norm="l1").to(dtype))
    assert list(fresh.state_dict()) == list(saved.state_dict())
    images = torch.randn(2, 3, 9, 9, dtype=dtype)
    assert torch.equal(fresh.to("cpu").eval()(images), saved.eval()(images))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_half_precision_stays_close_to_single(layer, dtype, training, statistics):
    layer = copy.deepcopy(layer).train(training)
    layer.statistics = statistics
    images = torch.randn(4, 3, 12, 12)
    expected = copy.deepcopy(layer)(images)
    output = copy.deepcopy(layer).to(dtype)(images.to(dtype))
    assert output.dtype == dtype
    assert (output.float() - expected).abs().max() < 0.1


@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_autocast_trains(layer, statistics):
    layer = copy.deepcopy(layer)
    layer.statistics = statistics
    images = torch.randn(4, 3, 12, 12, requires_grad=True)
    expected = copy.deepcopy(layer)(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(images)
        output.float().square().sum().backward()
    assert output.dtype == torch.bfloat16
    assert (output.float() - expected).abs().max() < 0.1
    assert images.grad.isfinite().all()
    assert layer.weight.grad.dtype == torch.float32


def test_autocast_forms_the_kernel_in_full_precision():
    linear = layers()[0].eval()
    folded = fold(linear)
    images = torch.randn(4, 3, 12, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(linear(images), folded(images))


@pytest.mark.parametrize("layer", layers())
@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_channels_last_gives_the_same_and_stays(layer, statistics):
    layer = copy.deepcopy(layer)
    layer.statistics = statistics
    images = torch.randn(4, 3, 12, 12)
    last = images.to(memory_format=torch.channels_last).requires_grad_()
    images.requires_grad_()
    outputs = [copy.deepcopy(layer)(images), layer.to(memory_format=torch.channels_last)(last)]
    for output in outputs:
        output.square().sum().backward()
    assert outputs[1].is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(*outputs, atol=1e-5)
    assert torch.allclose(images.grad, last.grad, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("statistics", ["moments", "maps"])
@pytest.mark.parametrize("layer", layers())
def test_a_compiled_layer_trains_the_same(layer, statistics):
    torch.compiler.reset()
    layer = copy.deepcopy(layer)
    layer.statistics = statistics
    twin = copy.deepcopy(layer)
    compiled = torch.compile(twin, backend="aot_eager", fullgraph=True)
    for model in (layer, compiled):
        torch.manual_seed(0)
        for _ in range(2):
            model(torch.randn(4, 3, 12, 12)).square().sum().backward()
    assert torch.allclose(layer.weight.grad, twin.weight.grad, rtol=1e-4, atol=1e-4)
    if layer.batch_norm:
        assert torch.allclose(layer.running_var, twin.running_var, rtol=1e-4)


@pytest.mark.parametrize("layer", layers())
def test_an_exported_layer_computes_the_same(layer):
    layer = copy.deepcopy(layer).eval()
    images = torch.randn(4, 3, 12, 12)
    program = torch.export.export(
        layer, (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},)
    )
    more = torch.randn(7, 3, 12, 12)
    assert torch.allclose(program.module()(more), layer(more), atol=1e-6)


DATA_PARALLEL = """
import copy, os, sys, torch
from torch import nn
from harmonic import HarmonicConv2d, build_network

torch.distributed.init_process_group("gloo", init_method=sys.argv[1], rank=0, world_size=1)
torch.manual_seed(0)
model = build_network("small", width=8, batch_norm="all")
for layer in model.modules():
    if isinstance(layer, HarmonicConv2d):
        layer.statistics = "moments"
twin = copy.deepcopy(model)
parallel = nn.parallel.DistributedDataParallel(twin)
images = torch.randn(4, 3, 32, 32)
for one in (model, parallel):
    one(images).square().sum().backward()
same = zip(model.parameters(), twin.parameters(), strict=True)
print(all(torch.allclose(one.grad, other.grad, atol=1e-6) for one, other in same), flush=True)
os._exit(0)  # without waiting for the threads of the process group
"""


@pytest.mark.slow
def test_data_parallel_training_runs(tmp_path):
    """In a process of its own: a process group leaves threads behind."""
    result = subprocess.run(
        [sys.executable, "-c", DATA_PARALLEL, f"file://{tmp_path}/store"],
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stdout == "True\n", result.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_a_gpu_gives_what_the_cpu_gives(statistics):
    torch.manual_seed(0)
    layer = HarmonicConv2d(3, 8, 3, padding=1, batch_norm=True, dtype=torch.float64)
    layer.statistics = statistics
    twin = copy.deepcopy(layer).cuda()
    images = torch.randn(4, 3, 12, 12, dtype=torch.float64)
    outputs = [layer(images), twin(images.cuda()).cpu()]
    for output in outputs:
        output.square().sum().backward()
    assert torch.allclose(*outputs, atol=1e-10)
    assert torch.allclose(layer.weight.grad, twin.weight.grad.cpu(), atol=1e-9)
