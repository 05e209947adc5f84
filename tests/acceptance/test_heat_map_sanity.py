"""The shipped network's heat map depends on what it learned (J. Adebayo et al., NeurIPS 2018)."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from model.package import load_package
from model.pixels import prepare
from tests.support.node import PACKAGE
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.readings import radiograph_of

WINDOW = 5
WIDTH = 128
"""Width of the pyramid: the square matrices above the backbone have this side."""

C1, C2 = 0.01**2, 0.03**2


def ssim(one, other):
    """Structural similarity of two maps in [0, 1] (Z. Wang et al., IEEE TIP 2004), mean."""
    a, b = (np.lib.stride_tricks.sliding_window_view(m, (WINDOW, WINDOW)) for m in (one, other))
    axes = (-2, -1)
    ma, mb = a.mean(axes), b.mean(axes)
    va, vb = a.var(axes), b.var(axes)
    covariance = (a * b).mean(axes) - ma * mb
    top = (2 * ma * mb + C1) * (2 * covariance + C2)
    return float((top / ((ma**2 + mb**2 + C1) * (va + vb + C2))).mean())


def unit(cam):
    span = float(cam.max() - cam.min())
    return (cam - cam.min()) / span if span > 0 else np.zeros_like(cam)


def randomised(graph, seed):
    """Shuffle the square matrices above the backbone: the cascade of Adebayo et al., begun.

    Shuffled values keep their distribution, so that the network still answers something; shuffling
    all of it leaves no positive gradient anywhere, and so no map to compare.
    """
    model = onnx.load(graph)
    random = np.random.default_rng(seed)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.shape == (WIDTH, WIDTH):
            shuffled = random.permutation(values.ravel()).reshape(values.shape)
            tensor.CopyFrom(numpy_helper.from_array(shuffled, tensor.name))
    return model.SerializeToString()


def maps(graph, images, class_index):
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    targets = np.full(len(images), class_index)
    return list(session.run(["cam"], {"image": images, "target": targets})[0])


@pytest.mark.skipif(not Path(PACKAGE).is_dir(), reason="the package is not there")
def test_randomised_weights_change_the_heat_map():
    package = load_package(PACKAGE)
    pictures = [wrist("PA", spacing_mm=0.3, fracture=True), wrist("LAT", spacing_mm=0.3)]
    prepared = [prepare(radiograph_of(dx(one)), package.manifest.pixels)[0] for one in pictures]
    images = np.stack(prepared)
    found = []
    for class_index in range(len(package.manifest.classes)):
        learned = maps(str(package.graph), images, class_index)
        for seed in range(1, 4):
            ignorant = maps(randomised(package.graph, seed), images, class_index)
            found += [
                ssim(unit(one), unit(other))
                for one, other in zip(learned, ignorant, strict=True)
                if other.max() > 0
            ]
    print(f"SSIM of learned and randomised maps: {np.round(found, 3)}")
    assert len(found) >= len(images)
    assert float(np.mean(found)) < 0.5
