"""Lets torchvision import beside a CPU-only torch, whose wheel lacks two of its operators.

torchvision's compiled operators are built for CUDA. Where torch has no CUDA they do not load, and
``import torchvision`` (hence ``import timm``) fails while registering a fake kernel for
``torchvision::nms``. Declaring the two operators' signatures first is all the import needs; no
network here calls them. Call `declare_operators` before the first import of timm.
"""

import torch

_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[torch.library.Library] = []


def declare_operators() -> None:
    """Declare ``nms`` and ``qnms`` once, and only where torch was built without CUDA."""
    if torch.version.cuda is not None or _declared:
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # by torch
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SIGNATURE)  # type: ignore[no-untyped-call]  # by torch
    _declared.append(library)  # a library that is collected takes its operators with it
