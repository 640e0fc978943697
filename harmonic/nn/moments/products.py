"""Sums of products of neighbouring pixels, and their gradient, by banded matrix products."""

import torch
from torch import Tensor

from .patches import Axis, Part, Patches

BLOCK = 32
"""Columns per matrix product; wider products spend their time far off the diagonal."""


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
        _store_sum(self.inside, image.transpose(0, 1), -offset[:, None, None, None])
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


def products(centred: CentredRows, patches: Patches) -> Tensor:
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


def product_gradient(
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
            _store_sum(target, images[:, :, : target.shape[2]], constant)


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


def _store_sum(out: Tensor, first: Tensor, second: Tensor) -> None:
    """out ← first + second in one pass over memory.

    `torch.compile` knows no `out` that is a view, and joins the two passes by itself.
    """
    if torch.compiler.is_compiling():
        out.copy_(first + second)
    else:
        torch.add(first, second, out=out)


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
