"""Gradients written as other operators equal those of PyTorch."""

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from export.decompositions import DECOMPOSITIONS, UnsupportedError
from export.graph import write_plain_graph

_RANDOM = torch.Generator().manual_seed(1)
(
    SQUARE,
    LARGE,
    SINGLE,
    RISING,
) = (  # fixed here: drawn while tracing, they would be drawn anew in each call
    torch.randn(shape, generator=_RANDOM)
    for shape in ((6, 4, 3, 3), (6, 4, 5, 5), (8, 1, 3, 3), (3, 2, 3, 3))
)

LAYERS = {
    "convolution": lambda x: functional.conv2d(x, SQUARE, padding=1),
    "strided, with a rest": lambda x: functional.conv2d(x, SQUARE, stride=2),
    "strided, uneven": lambda x: functional.conv2d(x, LARGE, stride=(3, 2), padding=1),
    "grouped": lambda x: functional.conv2d(x, SINGLE, stride=2, padding=1, groups=4),
    "dilated": lambda x: functional.conv2d(x, SQUARE, dilation=2, padding=2),
    "max pool": lambda x: functional.max_pool2d(x, 3, stride=2, padding=1),
    "max pool rounding up": lambda x: functional.max_pool2d(x, 3, stride=2, ceil_mode=True),
    "average pool": lambda x: functional.avg_pool2d(x, 2),
    "average pool, padded": lambda x: functional.avg_pool2d(x, 3, stride=2, padding=1),
    "average pool, padding not counted": lambda x: functional.avg_pool2d(
        x, 3, stride=2, padding=1, count_include_pad=False
    ),
    "average pool rounding up": lambda x: functional.avg_pool2d(x, 3, stride=2, ceil_mode=True),
    "bilinear": lambda x: functional.interpolate(x, size=(17, 24), mode="bilinear"),
    "bilinear, corners aligned": lambda x: functional.interpolate(
        x, scale_factor=2, mode="bilinear", align_corners=True
    ),
    "adaptive pool to fewer": lambda x: functional.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive pool to more": lambda x: functional.adaptive_avg_pool2d(x, (14, 11)),
}
NOT_EXPORTED = (
    "convolution_backward",
    "pool2d_backward",
    "indices_backward",
    "bilinear2d_backward",
)


@pytest.mark.parametrize("name", LAYERS)
def test_traced_gradient_is_that_of_autograd_and_needs_no_backward_operator(name):
    def gradient(x):
        leaf = x.detach().requires_grad_(True)
        out = LAYERS[name](leaf)
        ramp = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
        return torch.autograd.grad(out, leaf, ramp)[0]

    x = torch.randn(2, 4, 9, 12, generator=torch.Generator().manual_seed(0))
    traced = make_fx(gradient, decomposition_table=DECOMPOSITIONS)(x)
    assert torch.allclose(traced(x), gradient(x), atol=1e-5)
    called = [str(node.target) for node in traced.graph.nodes]
    assert not [word for word in NOT_EXPORTED if any(word in name for name in called)]


class Refused(nn.Module):
    """Asks for the gradient of a layer that cannot be traced."""

    def forward(self, image):
        leaf = image.detach().requires_grad_(True)
        out = functional.conv_transpose2d(leaf, RISING)
        return torch.autograd.grad(out, leaf, torch.ones_like(out))[0]


class Untranslated(nn.Module):
    """Uses an operator that ONNX does not have."""

    def forward(self, image):
        return torch.linalg.svdvals(image)


@pytest.mark.long
@pytest.mark.parametrize(
    ("network", "words"),
    [(Refused(), "plain convolution is traced"), (Untranslated(), "linalg_svd")],
    ids=["gradient", "operator"],
)
def test_what_cannot_be_exported_is_named_in_one_line(network, words, tmp_path):
    with pytest.raises(UnsupportedError, match=words) as raised:
        write_plain_graph(network, 8, tmp_path / "model.onnx", "out")
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "model.onnx").exists()
