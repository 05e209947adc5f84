"""Gradients that the ONNX exporter has no operator for, as operators that it has.

Only the gradient with respect to a layer's input is ever asked for (weights are frozen), so a
convolution's becomes a transposed convolution, and those of pooling and of interpolation become the
transposes of what they are: linear maps of fixed sizes.
"""

# ruff: noqa: ANN401 - the settings of operators are of many types
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import get_decompositions


class UnsupportedError(Exception):
    """The network holds an operator that cannot be exported; the message names it."""


aten = torch.ops.aten
Sizes = Sequence[int]


def convolution_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, *settings: Any
) -> tuple[Tensor | None, None, None]:
    """Return the gradient of the input; output padding restores rows that the stride left over.

    `settings` are the operator's own: bias sizes, stride, padding, dilation, transposed, output
    padding, groups, and which of the three gradients are wanted.
    """
    _, stride, padding, dilation, transposed, _, groups, wanted = settings
    if transposed or wanted[1] or wanted[2]:
        raise UnsupportedError("only the input's gradient of a plain convolution is traced")
    if not wanted[0]:
        return None, None, None
    rest = []
    for axis, step in enumerate(stride):
        reach = dilation[axis] * (int(weight.shape[2 + axis]) - 1) + 1
        covered = (int(gradient.shape[2 + axis]) - 1) * step - 2 * padding[axis] + reach
        rest.append(int(inputs.shape[2 + axis]) - covered)
    back = aten.convolution(gradient, weight, None, stride, padding, dilation, True, rest, groups)
    return back, None, None


def max_pool_backward(gradient: Tensor, inputs: Tensor, *settings: Any) -> Tensor:
    """Give each window's gradient to the place that was largest: the last setting."""
    places: Tensor = settings[-1]
    rows, columns = int(inputs.shape[2]), int(inputs.shape[3])
    empty = gradient.new_zeros(inputs.shape[0], inputs.shape[1], rows * columns)
    return empty.scatter_add(2, places.flatten(2), gradient.flatten(2)).reshape(inputs.shape)


def average_pool_backward(gradient: Tensor, inputs: Tensor, *settings: Any) -> Tensor:
    """Spread each window's gradient over the window, axis by axis.

    `settings`: kernel, stride (empty: the kernel), padding, whether to round sizes up, whether
    padding counts, and a divisor.
    """
    kernel, stride, padding, rounds_up, counts_padding, divisor = settings
    if divisor is not None:
        raise UnsupportedError("average pooling with a divisor of its own is not traced")
    stride = stride or kernel
    pooled = [
        aten.avg_pool2d(
            _single_ones(gradient, int(inputs.shape[2 + axis])),
            [kernel[axis], 1],
            [stride[axis], 1],
            [padding[axis], 0],
            rounds_up,
            counts_padding,
        )[:, 0, :, 0]
        for axis in (0, 1)
    ]
    return torch.matmul(torch.matmul(pooled[0], gradient), pooled[1].transpose(0, 1))


def bilinear_backward(
    gradient: Tensor, output_size: Sizes, input_size: Sizes, align_corners: bool, *scales: Any
) -> Tensor:
    """Give each place of the larger picture its gradient back to those it was mixed from."""
    scales = scales or (None, None)
    mixed = [
        aten.upsample_bilinear2d(
            _single_ones(gradient, int(input_size[2 + axis])),
            [int(output_size[axis]), 1],
            align_corners,
            scales[axis],
            None,
        )[:, 0, :, 0]
        for axis in (0, 1)
    ]
    return torch.matmul(torch.matmul(mixed[0], gradient), mixed[1].transpose(0, 1))


def adaptive_pool(inputs: Tensor, output_size: Sizes) -> Tensor:
    """Average over windows that tile the picture, as two products with fixed matrices."""
    rows = _windows(inputs, int(inputs.shape[2]), int(output_size[0]))
    columns = _windows(inputs, int(inputs.shape[3]), int(output_size[1]))
    return torch.matmul(torch.matmul(rows, inputs), columns.transpose(0, 1))


def adaptive_pool_backward(gradient: Tensor, inputs: Tensor) -> Tensor:
    """Spread each window's gradient over the window."""
    rows = _windows(inputs, int(inputs.shape[2]), int(gradient.shape[2]))
    columns = _windows(inputs, int(inputs.shape[3]), int(gradient.shape[3]))
    return torch.matmul(torch.matmul(rows.transpose(0, 1), gradient), columns)


def _single_ones(like: Tensor, size: int) -> Tensor:
    """Return pictures [size, 1, size, 1] with one 1 each.

    What a linear map makes of picture n is what place n gives to each place of the result.
    """
    return torch.eye(size, dtype=like.dtype, device=like.device).reshape(size, 1, size, 1)


def _windows(like: Tensor, inside: int, outside: int) -> Tensor:
    """Matrix [outside, inside] that averages: window o is floor(o n/m) to ceil((o + 1) n/m)."""
    place = torch.arange(inside, device=like.device).unsqueeze(0)
    window = torch.arange(outside, device=like.device).unsqueeze(1)
    first = window * inside // outside
    last = ((window + 1) * inside + outside - 1) // outside
    covered = ((place >= first) & (place < last)).to(like.dtype)
    return covered / covered.sum(dim=1, keepdim=True)


DECOMPOSITIONS = get_decompositions(
    [
        aten.native_batch_norm_backward,
        aten.native_layer_norm_backward,
        aten.native_group_norm_backward,
        aten._softmax_backward_data,
        aten._log_softmax_backward_data,
        aten.gelu_backward,
        aten.silu_backward,
        aten.sigmoid_backward,
        aten.tanh_backward,
        aten.threshold_backward,
        aten.hardtanh_backward,
        aten.hardswish_backward,
        aten.hardsigmoid_backward,
        aten.leaky_relu_backward,
        aten.elu_backward,
        aten.select_backward,
        aten.slice_backward,
        aten.native_dropout_backward,
    ]
) | {
    aten.convolution_backward.default: convolution_backward,
    aten.max_pool2d_with_indices_backward.default: max_pool_backward,
    aten.avg_pool2d_backward.default: average_pool_backward,
    aten.upsample_bilinear2d_backward.default: bilinear_backward,
    aten._adaptive_avg_pool2d.default: adaptive_pool,
    aten._adaptive_avg_pool2d_backward.default: adaptive_pool_backward,
}
