"""How much tensor memory a piece of work needs at its peak."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


def peak_memory(work: Callable[[], object], device: torch.device) -> int:
    """Bytes of tensors alive at the peak of `work`, beyond those alive before it.

    On a GPU the allocator's own figure; on a CPU the sum of all allocations and releases that the
    profiler recorded, without the scratch space that libraries take for themselves.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = [one for one in events if one.get("name") == "[memory]"]
    alive = peak = 0
    for change in sorted(changes, key=lambda one: one["ts"]):
        alive += change["args"]["Bytes"]
        peak = max(peak, alive)
    return peak
