"""Few rows through a linear layer: another order of the product, the same result."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ivlm_core.model.few_rows import FewRowsLinear, use_few_rows


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([(1,), (1, 1), (2,), (1, 5), (5, 1), (2, 3), (9,), (0,), (0, 3), ()]),
    st.booleans(),
    st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    st.booleans(),
)
def test_it_is_a_linear_layer(
    shape: tuple[int, ...], bias: bool, dtype: torch.dtype, learns: bool
) -> None:
    plain = nn.Linear(24, 7, bias, dtype=dtype)
    layers = nn.Sequential(plain)
    use_few_rows(layers)
    assert type(layers[0]) is FewRowsLinear and layers[0].weight is plain.weight
    x = torch.randn(*shape, 24, dtype=dtype)
    with torch.set_grad_enabled(learns):
        found, expected = layers(x), plain(x)
    torch.testing.assert_close(found, expected)
    assert found.requires_grad == learns


def test_names_weights_and_modes_stay() -> None:
    class Other(nn.Linear):
        pass

    module = nn.ModuleDict({"a": nn.Sequential(nn.Linear(3, 4), nn.GELU()), "b": Other(4, 4)})
    module.eval()
    before = dict(module.state_dict())
    use_few_rows(module)
    assert list(module.state_dict()) == list(before)
    assert type(module["a"][0]) is FewRowsLinear and not module["a"][0].training
    assert type(module["b"]) is Other  # what is more than a plain layer is left alone


def test_gradients_reach_the_weights() -> None:
    layers = nn.Sequential(nn.Linear(3, 2))
    use_few_rows(layers)
    layers(torch.ones(1, 3)).sum().backward()
    assert layers[0].weight.grad is not None
    torch.testing.assert_close(layers[0].weight.grad, torch.ones(2, 3))
