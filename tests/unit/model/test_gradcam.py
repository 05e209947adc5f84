import pytest
import torch

from model.gradcam import PREDICTED, GradCam, layer_names
from model.networks.pim import Pim, PimConfig


@pytest.fixture(scope="module")
def network() -> Pim:
    torch.manual_seed(3)
    config = PimConfig(
        backbone="test_resnet",
        size=64,
        width=16,
        upsampling="bilinear",
        head="average",
        classes=("no_finding", "fracture"),
    )
    return Pim(config).eval()


def finite_difference_map(network, layer, image, target):
    """The same map from changes of the logit, one channel's mean gradient at a time."""
    levels, pooled = network.look(image)
    index = layer_names(network).index(layer)
    activation, step = levels[index], 1e-2
    weights = []
    for channel in range(activation.shape[2]):
        answers = []
        for sign in (1, -1):
            moved = activation.clone()
            moved[:, :, channel] += sign * step
            seen = [moved if i == index else level for i, level in enumerate(levels)]
            answers.append(network.judge(seen, pooled).logits[0, target])
        weights.append((answers[0] - answers[1]) / (2 * step) / activation.shape[1])
    cam = torch.relu((activation[0] * torch.stack(weights)).sum(dim=1))
    return cam.reshape(network.grids[index])


def test_map_follows_the_logit_when_a_channel_is_changed(network):
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = finite_difference_map(network.double(), "level4", image.double(), 1).float()
    network.float()
    _, cam, _ = GradCam(network, "level4")(image, torch.tensor([1]))
    assert torch.allclose(cam[0], expected, atol=0.05 * float(expected.max()) + 1e-7)


def test_logits_and_gate_are_those_of_the_network(network):
    image = torch.randn(2, 3, 64, 64)
    logits, _, gate = GradCam(network, "level2")(image, torch.tensor([0, 1]))
    output = network(image)
    assert torch.allclose(logits, output.logits, atol=1e-6)
    assert torch.allclose(gate, network.gate_logit(output), atol=1e-6)


def test_minus_one_asks_for_the_predicted_class(network):
    image = torch.randn(2, 3, 64, 64)
    cam = GradCam(network, "level2")
    logits, predicted, _ = cam(image, torch.tensor([PREDICTED, PREDICTED]))
    _, named, _ = cam(image, logits.argmax(dim=1))
    assert torch.equal(predicted, named)
    assert predicted.min() >= 0


def test_layer_that_is_not_there_is_refused(network):
    with pytest.raises(ValueError, match="there are level1, level2"):
        GradCam(network, "level9")
    with pytest.raises(ValueError, match=r"no layer 'layer9' .* it has backbone\.network"):
        GradCam(network, "layer9")
