"""How much memory training took, and what to say when there was not enough."""

import sys

import torch
from torch import Tensor, nn

from harmonic.learning.device import forward_precision, memory_format_for

ABOVE_SAVED = 2.0
"""Peak memory of a step over what is kept for the gradients: gradients of activations and working
memory of the convolutions come on top."""


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU, or that the process took on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        import psutil  # here, as training itself does without

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_out_of_memory(error: BaseException) -> bool:
    """Is it an allocation that failed, on a GPU or on the CPU?"""
    # The last is what oneDNN says when its working memory is refused.
    said = ("can't allocate memory", "bad_alloc", "could not create a primitive")
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in said
    )


def out_of_memory_line(
    model: nn.Module, batch_size: int, side: int, precision: str, device: torch.device
) -> str:
    """One line that names the batch size and about how many images would fit."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    free = free_memory(device)
    fitting = int(free / (ABOVE_SAVED * bytes_an_image(model, side, precision, device)))
    advice = f"about {fitting} images a step would fit; lower batch_size"
    if fitting < 2:
        advice = "not even two images fit; take a smaller network or image_size"
    return (
        f"out of memory on {device} at batch_size {batch_size} "
        f"({free / 2**30:.1f} GiB free beside the network): {advice}"
    )


def bytes_an_image(model: nn.Module, side: int, precision: str, device: torch.device) -> float:
    """Bytes that a training step keeps of each image for the gradients; measured."""
    model = model.to(device).train()
    with forward_precision(precision, device):
        few, more = (
            bytes_kept(model, torch.zeros(n, 3, side, side, device=device)) for n in (2, 4)
        )
    return (more - few) / 2  # what does not grow with the batch, as kernels, is gone


def bytes_kept(model: nn.Module, images: Tensor) -> int:
    """Bytes of all that autograd keeps of a forward pass."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(images.contiguous(memory_format=memory_format_for(model, images.device)))
    del output  # until here nothing that is kept gave its place to another
    return sum(kept.values())


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken: on the GPU, or of the machine and of the process's limit."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    free = int(psutil.virtual_memory().available)
    if sys.platform == "linux":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free = min(free, limit - psutil.Process().memory_info().vms)
    return max(0, free)
