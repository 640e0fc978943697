"""Where in an image the evidence for a class lies, as far as gradients can tell.

Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391): the feature maps of the last layer that still
has a width and a height, weighted by the mean gradient of the class's output, negative sums cut.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harmonic.errors import InputError


def class_activation_maps(model: nn.Module, images: Tensor, classes: Sequence[int]) -> np.ndarray:
    """Evidence for one class an image, float32 (n, H, W): 1 at its strongest, all 0 without any.

    Args:
        model: gives logits (n, classes); put in eval mode.
        images: network input (n, channels, H, W), normalised.
        classes: the class asked for, one an image.

    Raises:
        InputError: not one class an image, or no layer with feature maps.
    """
    if len(classes) != len(images):
        raise InputError(f"activation maps: {len(classes)} classes for {len(images)} images")
    maps: list[Tensor] = []

    def keep(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            maps.append(output)

    model.eval()
    hooks = [module.register_forward_hook(keep) for module in model.modules()]
    try:
        logits = model(images.detach().requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    if not maps:
        raise InputError("activation maps: the network has no layer with feature maps")
    chosen = logits[torch.arange(len(images)), torch.tensor(classes)].sum()
    (gradient,) = torch.autograd.grad(chosen, maps[-1])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    evidence = functional.relu((weights * maps[-1]).sum(dim=1, keepdim=True))
    size = (images.shape[2], images.shape[3])
    large = functional.interpolate(evidence, size, mode="bilinear", align_corners=False)[:, 0]
    strongest = large.amax(dim=(1, 2), keepdim=True)
    scaled = large / strongest.clamp(min=torch.finfo(large.dtype).tiny)
    found: np.ndarray = scaled.detach().float().cpu().numpy()
    return found
