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

from .centred import store_sum
from .patches import Axis, Part, Patches

BLOCK = 32
"""Columns per matrix product; wider products spend their time far off the diagonal."""


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
        covariance += _products(centred, patches) / count
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
            _product_gradient(centred, both, shared.to(offset.dtype), patches, gradient)
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


class CentredRows:
    """A batch less its channels' means, as (C, rows of all images, W) with zeros all around.

    Between images lie at least as many zero rows as the kernel reaches, so that the neighbours of
    all rows at some distance are the same array shifted, and each image takes a whole number of
    strides; beside each row lie as many zero columns as the kernel reaches.
    """

    def __init__(self, image: Tensor, offset: Tensor, patches: Patches) -> None:
        batch, channels, height, width = image.shape
        self.axis = patches.rows
        self.side = patches.columns.reach
        self.width = width
        per_image = height + self.axis.reach
        per_image += -per_image % self.axis.stride
        self.count = batch * per_image
        around = 2 * self.axis.reach + self.axis.stride - 1
        first, after = self.axis.reach, self.axis.reach + self.count
        self.flat = offset.new_empty(channels, self.count + around, width + 2 * self.side)
        self.images = self.flat[:, first:after].unflatten(1, (batch, per_image))
        self.inside = self.images[:, :, :height, self.side : self.side + width]
        store_sum(self.inside, image.transpose(0, 1), -offset[:, None, None, None])
        zeros = [self.flat[:, :first], self.flat[:, after:], self.images[:, :, height:]]
        zeros += [self.flat[..., : self.side], self.flat[..., self.side + width :]]
        for outside in zeros:  # a pass over everything would cost as much as the difference
            outside.zero_()

    def rows(self, part: Part, distance: int, start: int, stop: int) -> Tensor | None:
        """Neighbours of a part's rows at a distance in samples, columns start to stop.

        (C, M, stop − start), M counting rows of all images; None outside the image.
        """
        first = part.start + distance * self.axis.dilation
        if not part.is_edge:
            first += self.axis.reach
            return self.flat[:, first : first + self.count : self.axis.stride, start:stop]
        if 0 <= first < self.axis.size:
            return self.images[:, :, first, start:stop]
        return None

    def blocks(self) -> list[tuple[int, int]]:
        """Start and width of the column blocks."""
        return [(start, min(BLOCK, self.width - start)) for start in range(0, self.width, BLOCK)]


def _products(centred: CentredRows, patches: Patches) -> Tensor:
    """Sums of products of two centred values, (C, K, K)."""
    columns, height = patches.columns, patches.rows.kernel
    channels = len(centred.flat)
    sums = patches.row_visits.new_zeros(
        len(patches.row_parts), height, channels, columns.kernel, 2 * columns.kernel - 1
    )
    for start, width in centred.blocks():
        visits = patches.column_visits[:, start : start + width]
        for index, part in enumerate(patches.row_parts):
            inner = centred.rows(part, 0, start + centred.side, start + centred.side + width)
            for distance in range(height - part.samples[0]):
                outer = centred.rows(part, distance, start, start + width + 2 * centred.side)
                if inner is not None and outer is not None:
                    sums[index, distance] += visits @ _band(inner.mT @ outer, columns).double()
    lags = torch.einsum("ek,edcmj->kdcmj", patches.row_weights, sums)
    pairs = _pairs_of_lags(lags, columns)
    moments = pairs.new_zeros(channels, height, columns.kernel, height, columns.kernel)
    for k in range(height):
        for distance in range(height - k):
            moments[:, k, :, k + distance] = pairs[k, distance]
            moments[:, k + distance, :, k] = pairs[k, distance].mT
    return moments.flatten(3).flatten(1, 2)


def _product_gradient(
    centred: CentredRows, both: Tensor, shared: Tensor, patches: Patches, out: Tensor
) -> None:
    """Writes to `out` (N, C, H, W) the gradient through the products, plus the shared part."""
    rows, columns = patches.rows, patches.columns
    kernel = (rows.kernel, columns.kernel)
    pairs = both.unflatten(2, kernel).unflatten(1, kernel)
    lags = _lags_of_pairs(pairs, patches.row_weights, columns)
    by_channel = out.transpose(0, 1)
    untouched = set(range(rows.stride)) - {p.start for p in patches.row_parts if not p.is_edge}
    for phase in untouched:
        by_channel[:, :, phase :: rows.stride] = shared[:, None, phase :: rows.stride]
    for start, width in centred.blocks():
        block = slice(start, start + width)
        visits = patches.column_visits[:, block]
        for part, part_lags in zip(patches.row_parts, lags, strict=True):
            bands = torch.einsum("dcmj,mw->dcwj", part_lags, visits).to(centred.flat.dtype)
            by_distance = _banded(bands, columns)
            gradient = _part_gradient(centred, part, by_distance, start)
            if part.is_edge:
                by_channel[:, :, part.start, block] += gradient
                continue
            images = gradient.unflatten(1, (len(out), -1))
            target = by_channel[:, :, part.start :: rows.stride, block]
            constant = shared[:, None, part.start :: rows.stride, block]
            store_sum(target, images[:, :, : target.shape[2]], constant)


def _part_gradient(centred: CentredRows, part: Part, matrices: Tensor, start: int) -> Tensor:
    """Σ over distances of a part's neighbouring rows times their banded matrix, (C, M, B)."""
    height = centred.axis.kernel
    stop = start + matrices.shape[2]
    gradient = None
    for distance in range(-part.samples[-1], height - part.samples[0]):
        neighbours = centred.rows(part, distance, start, stop)
        if neighbours is None:
            continue
        matrix = matrices[distance + height - 1]
        if gradient is None:
            gradient = neighbours @ matrix
        else:
            gradient.baddbmm_(neighbours, matrix)
    assert gradient is not None  # distance 0 is inside the image
    return gradient


def _band(product: Tensor, columns: Axis) -> Tensor:
    """(C, B, B + 2 · reach) to (C, B, 2 · kernel − 1): column x with x + j · dilation."""
    channels, width, _ = product.shape
    batch, row, column = product.stride()
    strides = (batch, row + column, columns.dilation * column)
    return product.as_strided((channels, width, 2 * columns.kernel - 1), strides)


def _banded(bands: Tensor, columns: Axis) -> Tensor:
    """The transposed inverse of `_band`: (…, B, 2 · kernel − 1) to (…, B + 2 · reach, B)."""
    *lead, width, lags = bands.shape
    matrices = bands.new_zeros(*lead, width + 2 * columns.reach, width)
    strides = (*matrices.stride()[:-2], width + 1, columns.dilation * width)
    matrices.as_strided((*lead, width, lags), strides).copy_(bands)
    return matrices


def _pairs_of_lags(sums: Tensor, columns: Axis) -> Tensor:
    """(…, kw, 2kw − 1) by sample and lag to (…, kw, kw) by sample and other sample."""
    sample = torch.arange(columns.kernel, device=sums.device)
    return sums[..., sample[:, None], sample - sample[:, None] + columns.kernel - 1]


def _lags_of_pairs(pairs: Tensor, weights: Tensor, columns: Axis) -> Tensor:
    """(C, kh, kw, kh, kw) to (1 + edges, 2kh − 1, C, kw, 2kw − 1) by row and column lags."""
    channels, height, width = pairs.shape[:3]
    shape = (len(weights), 2 * height - 1, channels, width, width)
    by_rows = pairs.new_zeros(shape)
    for k in range(height):
        weighted = weights[:, k, None, None, None, None] * pairs[:, k].permute(2, 0, 1, 3)
        by_rows[:, height - 1 - k : 2 * height - 1 - k] += weighted
    lags = pairs.new_zeros(*shape[:-1], 2 * width - 1)
    for k in range(width):
        lags[..., k, width - 1 - k : 2 * width - 1 - k] = by_rows[..., k, :]
    return lags


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
