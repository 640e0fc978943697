"""Where in an image a network finds what speaks for a class."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2), for a class an image.

    images: (N, C, H, W); classes: (N) numbers of classes. The maps are taken from the last module
    that gives maps of more than one pixel, in eval mode, without a trace left in the model.
    Returns (N, H, W) in [0, 1], each scaled to its own maximum; all 0 where nothing speaks for it.
    Raises ValueError where the model has no such module.
    """
    last: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[2:]) > 1:
            last[:] = [output]

    training = [module for module in model.modules() if module.training]
    hooks = [module.register_forward_hook(keep) for module in model.modules()]
    model.eval()
    try:
        with torch.enable_grad():
            logits = model(images.detach().requires_grad_())
            if not last or last[0] is logits:
                raise ValueError("grad_cam needs a model with feature maps of more than one pixel")
            score = logits.gather(1, classes.view(-1, 1)).sum()
            (gradient,) = torch.autograd.grad(score, last)
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True
    maps = last[0].detach()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    heat = F.relu((weights * maps).sum(dim=1, keepdim=True))
    heat = F.interpolate(heat, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    highest = heat.amax(dim=(1, 2), keepdim=True)
    return heat / torch.where(highest > 0, highest, 1.0)
