"""Mean and covariance of all patches of a batch, channel by channel, without making the patches.

A filter b has responses of mean bᵀm and variance bᵀCb, where m and C are the mean and covariance
of the zero-padded patches it sees. Sample k of a convolution's kernel visits a set W_k of positions
of the image, and the second moments are, up to the number of patches,

    Σ_{q in W_k} x[q] · x[q + (l − k) · dilation].

They depend on l − k but for the borders, so kh row distances are enough instead of kh² pairs of
rows: for each, one batched matrix product sums x[y, ·]ᵀ x[y + δ, ·] over all images and rows. Its
diagonals hold the sums for each column apart, from which every W_k takes its own exactly. The few
edge rows that some samples do not visit are subtracted the same way. With a stride, rows are taken
by phase (position modulo stride), and the samples of one phase share their products. The gradient
with respect to the image is the same products with banded matrices.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .patches import Axis, Patches
from .products import CentredRows, product_gradient, products


def patch_moments(
    image: Tensor, offset: Tensor, rows: Axis, columns: Axis
) -> tuple[Tensor, Tensor]:
    """Mean (C, K) and covariance (C, K, K), float64, of a batch's patches; K = kh · kw.

    image: (N, C, H, W), floating point; half types are summed in float32. Padding is with zeros.
    offset: (C), each channel's mean or near it, taken as a constant; see `channel_means`.

    There is a patch for every output position of the convolution; the covariance divides by their
    number. Sums run over the image less `offset`, so that a mean a thousand
    times the deviation costs no accuracy. Differentiable any number of times; from the second on
    the patches are made.
    """
    with torch.autocast(image.device.type, enabled=False):
        return _PatchMoments.apply(image, offset, rows, columns)


class _PatchMoments(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, offset: Tensor, rows: Axis, columns: Axis
    ) -> tuple[Tensor, Tensor]:
        patches = Patches(rows, columns, image.device)
        count = len(image) * patches.positions
        centred = CentredRows(image, offset, patches)
        total = centred.inside.sum(1).double()
        mean, covariance = _border_moments(total / count, offset.double(), patches)
        covariance += products(centred, patches) / count
        ctx.save_for_backward(image, offset, mean)
        ctx.patches = patches
        return mean, covariance

    @staticmethod
    def backward(
        ctx: Any, mean_grad: Tensor, covariance_grad: Tensor
    ) -> tuple[Tensor, None, None, None]:
        image, offset, mean = ctx.saved_tensors
        patches = ctx.patches
        if torch.is_grad_enabled():  # create_graph=True: what follows writes in place
            gradient = _differentiable_gradient(mean_grad, covariance_grad, image, offset, patches)
            return gradient, None, None, None
        with torch.autocast(image.device.type, enabled=False):
            count = len(image) * patches.positions
            both = (covariance_grad + covariance_grad.mT) / count
            shared = _shared_gradient(mean_grad / count, both, mean, offset.double(), patches)
            centred = CentredRows(image, offset, patches)
            gradient = torch.empty_like(image)
            product_gradient(centred, both, shared.to(offset.dtype), patches, gradient)
        return gradient, None, None, None


def _differentiable_gradient(
    mean_grad: Tensor, covariance_grad: Tensor, image: Tensor, offset: Tensor, patches: Patches
) -> Tensor:
    """The gradient with respect to the image by the definition: make all patches.

    Of a patch p less the mean m it is mean_grad + (covariance_grad + its transpose)(p − m), over
    the number of patches. Takes kh · kw times the memory of the image, in float64.
    """
    rows, columns = patches.rows, patches.columns
    kernel, dilation = (rows.kernel, columns.kernel), (rows.dilation, columns.dilation)
    stride = (rows.stride, columns.stride)
    pads = (*columns.padding, *rows.padding)
    padded = F.pad(image.double(), pads) - offset.double()[:, None, None]
    samples = F.unfold(padded, kernel, dilation, 0, stride).unflatten(1, (len(offset), -1))
    centred = samples - samples.mean(dim=(0, 3))[..., None]
    both = covariance_grad + covariance_grad.mT
    gradient = (mean_grad[..., None] + both @ centred) / (len(image) * patches.positions)
    gradient = F.fold(gradient.flatten(1, 2), padded.shape[2:], kernel, dilation, 0, stride)
    return F.pad(gradient, [-pad for pad in pads]).to(image.dtype)


def _border_moments(total: Tensor, offset: Tensor, patches: Patches) -> tuple[Tensor, Tensor]:
    """The mean, and the covariance but for the products of two centred values.

    A padded image is offset · mask + centred, the mask being 1 inside and 0 in the padding; the
    sums that contain the mask need only `total` (C, H, W), the centred values summed over the
    batch and divided by the number of patches.
    """
    value = torch.einsum("chw,kh,mw->ckm", total, patches.row_visits, patches.column_visits)
    value = value.flatten(1)
    by_rows = torch.einsum("chw,klh->cklw", total, patches.row_joint)
    joint_value = torch.einsum("cklw,mnw->ckmln", by_rows, patches.column_joint)
    joint_value = joint_value.flatten(3).flatten(1, 2)
    mask = torch.outer(patches.row_visits.sum(1), patches.column_visits.sum(1)).flatten()
    mask = mask / patches.positions
    joint_mask = torch.einsum("kl,mn->kmln", patches.row_joint.sum(2), patches.column_joint.sum(2))
    joint_mask = joint_mask.flatten(2).flatten(0, 1) / patches.positions
    mean = offset[:, None] * mask + value
    cross = joint_value - mask[:, None] * value[:, None, :]
    scale = offset[:, None, None]
    covariance = scale * (scale * (joint_mask - torch.outer(mask, mask)) + cross + cross.mT)
    return mean, covariance - value[:, :, None] * value[:, None, :]


def _shared_gradient(
    mean_grad: Tensor, both: Tensor, mean: Tensor, offset: Tensor, patches: Patches
) -> Tensor:
    """The part of the gradient that every image of the batch has in common, (C, H, W)."""
    kernel = (patches.rows.kernel, patches.columns.kernel)
    single = (mean_grad - (both @ mean[..., None]).squeeze(-1)).unflatten(1, kernel)
    windows = torch.einsum("ckm,kh,mw->chw", single, patches.row_visits, patches.column_visits)
    pairs = both.unflatten(2, kernel).unflatten(1, kernel)
    by_columns = torch.einsum("ckmln,nmw->cklw", pairs, patches.column_joint)
    joint = torch.einsum("cklw,lkh->chw", by_columns, patches.row_joint)
    return windows + offset[:, None, None] * joint
