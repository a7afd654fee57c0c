"""A linear layer whose product with a few rows is as quick on a CPU as its memory."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

_FEW = 5


class FewRowsLinear(nn.Linear):
    """`nn.Linear` that multiplies up to five rows as `W x^T`.

    Decoding reads every weight for one to five rows a pass, so it can be no faster than memory.
    torch's `x W^T` is two to three times slower than that on CPUs (15 against 32 ms for one row,
    16 against 51 ms for two, through 110 M float32 weights on two cores); turned round it is not.
    From six rows on both take the same time. Results differ by rounding only.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., in]` to `[..., out]`."""
        rows = x.numel() // x.shape[-1]
        if (
            not 0 < rows <= _FEW
            or x.device.type != "cpu"
            or x.dtype != torch.float32
            or self.weight.dtype != torch.float32
            or torch.is_grad_enabled()
        ):
            return super().forward(x)
        columns = pad(x.reshape(rows, -1), (0, 0, 0, max(0, 2 - rows))).t()  # one row is slow, too
        product = torch.mm(self.weight, columns)[:, :rows].t()
        if self.bias is not None:
            product = product + self.bias
        return product.reshape(*x.shape[:-1], -1)


def use_few_rows(module: nn.Module) -> None:
    """Swap every plain linear layer inside a module, names and weights unchanged."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Linear:
                swapped = FewRowsLinear(
                    child.in_features, child.out_features, child.bias is not None, device="meta"
                )
                swapped.weight, swapped.bias = child.weight, child.bias
                swapped.train(child.training)
                setattr(parent, name, swapped)
