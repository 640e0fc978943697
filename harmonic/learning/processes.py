"""The processes that train one network together: each takes a share of every batch.

They all hold the same weights, draw the same random numbers for the whole batch, and add up their
gradients, so that together they take the steps that one process would take.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn

from harmonic.errors import InputError
from harmonic.learning.device import choose_device
from harmonic.learning.launcher import launched_place

JOINING = timedelta(minutes=5)
"""How long processes wait for each other at the start; later far longer, as for validation."""


@dataclass(frozen=True)
class Processes:
    """This process among all of them; `rank` 0 leads: it alone validates and writes."""

    rank: int
    count: int
    device: torch.device

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, size: int) -> Tensor | None:
        """Which of a batch's `size` images are this process's; None where all of them are.

        Opposite images, which may be mixed, stay together, and their order stays. A batch of fewer
        pairs than processes is worked out whole by each; `parts` says so.
        """
        if self.parts(size) == 1:
            return None
        first = torch.arange(self.rank, (size + 1) // 2, self.count)
        opposite = (size - 1 - first).flip(0)
        return torch.cat([first, opposite[opposite > first[-1]]])

    def parts(self, size: int) -> int:
        """Into how many shares a batch of `size` images is divided."""
        return self.count if (size + 1) // 2 >= self.count else 1

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def add_up_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its sum over all processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        whole = self.add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = whole.split([gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def check_same(self, digest: int, what: str) -> None:
        """InputError where the processes, perhaps on several machines, hold different digests."""
        if self.count > 1:
            ends = torch.tensor([digest, -digest], device=self.device)
            torch.distributed.all_reduce(ends, torch.distributed.ReduceOp.MAX)
            if int(ends[0]) != -int(ends[1]):
                raise InputError(f"the {self.count} processes have different {what}")

    @contextmanager
    def leaders_file(self, path: Path) -> Iterator[Path]:
        """A path where this process can read the leader's file, be it on another machine."""
        if self.count == 1:
            yield path
            return
        content = path.read_bytes() if self.leads and path.exists() else b""
        size = self.add_up(torch.tensor(len(content), device=self.device))  # followers add 0
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            if size:
                buffer = torch.zeros(int(size), dtype=torch.uint8, device=self.device)
                if content:
                    buffer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
                torch.distributed.broadcast(buffer, src=0)
                copy.write_bytes(buffer.cpu().numpy().tobytes())
            yield copy


def alone(device: torch.device) -> Processes:
    return Processes(0, 1, device)


@contextmanager
def joined(device_name: str) -> Iterator[Processes]:
    """The processes that a launcher such as torchrun started; this one alone without a launcher.

    Each process takes a GPU of its own and NCCL where there are GPUs, else the CPU and gloo.

    Raises InputError where the environment's account of them is not whole, and where they do not
    find each other in time.
    """
    place = launched_place()
    if place.count == 1:
        yield alone(choose_device(device_name))
        return
    if device_name.startswith("cuda:"):
        raise InputError(f"device is {device_name}; {place.count} processes need auto, cuda or cpu")
    device = choose_device(device_name)
    if device.type == "cuda":
        device = choose_device(f"cuda:{place.local_rank}")
        torch.cuda.set_device(device)
    try:
        store, _, _ = next(torch.distributed.rendezvous("env://", timeout=JOINING))
        torch.distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            store=torch.distributed.PrefixStore("training", store),
            rank=place.rank,
            world_size=place.count,
        )
    except RuntimeError as error:
        raise InputError(
            f"process {place.rank} did not find the other {place.count - 1} within "
            f"{JOINING.total_seconds():g} s ({str(error).splitlines()[0][:200]}); were all "
            f"{place.count} started? Variables that another program left: `unset RANK WORLD_SIZE`"
        ) from None
    try:
        yield Processes(place.rank, place.count, device)
    finally:
        torch.distributed.destroy_process_group()


def is_lost_process(error: BaseException) -> bool:
    """Did an exchange fail because another process is gone?"""
    said = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in said)
