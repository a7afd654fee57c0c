"""A constant sparse matrix times a dense one, with a fast gradient on CPU and GPU."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag


class SparseRows(nn.Module):
    """A sparse matrix [R, C] in row order; calling it multiplies a dense [C, B].

    Written with ``embedding_bag``, which is quick on every device, where torch's CSR product
    needs MKL. The transposed matrix for the gradient is made when first needed.
    """

    columns: Tensor
    weights: Tensor
    offsets: Tensor

    def __init__(self, columns: Tensor, weights: Tensor, offsets: Tensor, num_columns: int) -> None:
        """Row r owns the entries ``offsets[r]`` to ``offsets[r + 1]``.

        Args:
            columns: int [N], column of each entry.
            weights: float32 [N], its value.
            offsets: int [R + 1].
            num_columns: C.
        """
        super().__init__()
        self.num_columns = num_columns
        self.register_buffer("columns", columns.int(), persistent=False)
        self.register_buffer("weights", weights.float(), persistent=False)
        self.register_buffer("offsets", offsets.int(), persistent=False)
        self._transposed: list[SparseRows] = []  # a list, so that it is no sub-module

    @classmethod
    def from_entries(
        cls, rows: Tensor, columns: Tensor, weights: Tensor, num_rows: int, num_columns: int
    ) -> "SparseRows":
        """Make one from entries (row, column, weight) in any order; equal places add up."""
        order = torch.argsort(rows, stable=True)
        offsets = torch.zeros(num_rows + 1, dtype=torch.int64, device=rows.device)
        offsets[1:] = torch.bincount(rows, minlength=num_rows).cumsum(0)
        return cls(columns[order], weights[order], offsets, num_columns)

    @property
    def num_rows(self) -> int:
        """R."""
        return len(self.offsets) - 1

    def transposed(self) -> "SparseRows":
        """The transposed matrix [C, R], kept for the device in use."""
        if not self._transposed or self._transposed[0].columns.device != self.columns.device:
            lengths = (self.offsets[1:] - self.offsets[:-1]).long()
            rows = torch.repeat_interleave(
                torch.arange(self.num_rows, device=lengths.device), lengths
            )
            self._transposed = [
                SparseRows.from_entries(
                    self.columns.long(), rows, self.weights, self.num_columns, self.num_rows
                )
            ]
        return self._transposed[0]

    def forward(self, dense: Tensor) -> Tensor:
        """Dense [C, B] to [R, B], float32; differentiable w.r.t. ``dense``."""
        return _Product.apply(dense, self)

    def product(self, dense: Tensor) -> Tensor:
        """The product without a gradient."""
        if dense.shape[0] == 0 or self.columns.numel() == 0:
            return dense.new_zeros(self.num_rows, dense.shape[1])
        return embedding_bag(
            self.columns,
            dense.contiguous(),
            self.offsets,
            mode="sum",
            per_sample_weights=self.weights,
            include_last_offset=True,
        )


class _Product(torch.autograd.Function):
    """Product of ``SparseRows`` whose gradient is the product of its transpose."""

    @staticmethod
    def forward(ctx: Any, dense: Tensor, matrix: SparseRows) -> Tensor:
        ctx.matrix = matrix
        return matrix.product(dense)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.matrix.transposed().product(gradient), None
