"""The networks of the four systems, by their kinds."""

import pytest
import torch

from model.layers import find_layer, place_of
from model.networks.classifier import ClassifierConfig
from model.networks.families.regnet import grey
from model.networks.hourglass import HourglassConfig, Localiser, soft_argmax
from model.networks.registry import KINDS, build_network


def test_grey_stem_answers_as_the_colour_stem_does_for_grey_pictures():
    colour = torch.nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
    picture = torch.randn(2, 1, 20, 20)
    assert torch.allclose(grey(colour)(picture), colour(picture.expand(-1, 3, -1, -1)), atol=1e-5)
    assert grey(colour).padding == (1, 1)


def test_regnet_has_the_published_head_and_reads_one_channel():
    fields = {"kind": "regnet", "size": 64, "classes": ["abnormality"], "activation": "sigmoid"}
    network = build_network(fields).eval()
    widths = [part.out_features for part in network.head if isinstance(part, torch.nn.Linear)]
    assert widths == [1024, 512, 1]
    image = torch.randn(1, 3, 64, 64)
    other = image.clone()
    other[:, 1:] = 0
    assert torch.equal(network(image), network(other))


def test_soft_argmax_finds_a_peak_as_fractions_of_the_side():
    heat = torch.full((1, 1, 8, 16), -50.0)
    heat[0, 0, 2, 12] = 50
    assert soft_argmax(heat)[0, 0].tolist() == pytest.approx([12 / 16, 2 / 8])


def test_localiser_returns_every_landmark_inside_the_picture():
    network = Localiser(HourglassConfig(size=64, width=8, depth=3)).eval()
    places = network(torch.randn(2, 3, 64, 64))
    assert places.shape == (2, 3, 2)
    assert (places >= 0).all()
    assert (places < 1).all()


def test_hourglass_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="cannot be halved 6 times"):
        HourglassConfig(size=128, depth=6)


def test_unknown_kind_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=f"there are {', '.join(KINDS)}"):
        build_network({"kind": "oracle"})


def test_unknown_field_is_refused():
    with pytest.raises(ValueError, match="width"):
        ClassifierConfig.model_validate(
            {"kind": "resnet", "size": 64, "classes": ["fracture"], "width": 3}
        )


def test_initial_weights_reach_the_grey_stem(tmp_path):
    from torchvision import models

    source = models.get_model("regnet_x_400mf", weights=None)
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    fields = {"kind": "regnet", "backbone": "regnet_x_400mf", "size": 64, "classes": ["fracture"]}
    network = build_network(fields, tmp_path / "weights.pt")
    stem = network.get_submodule(find_layer(network, "stem.0"))
    assert torch.allclose(stem.weight, source.stem[0].weight.sum(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("shape", "layout", "rows", "prefix"),
    [
        ((1, 512, 7, 7), "first", 7, 0),
        ((1, 7, 7, 768), "last", 7, 0),
        ((1, 197, 768), "tokens", 14, 1),
        ((1, 49, 768), "tokens", 7, 0),
        ((1, 201, 384), "tokens", 14, 5),
    ],
)
def test_layout_of_an_output_is_read_from_its_shape(shape, layout, rows, prefix):
    place = place_of(shape, "x")
    assert (place.layout, place.rows, place.columns, place.prefix) == (layout, rows, rows, prefix)
    picture = place.picture(torch.zeros(shape))
    assert picture.shape[2:] == (rows, rows)


@pytest.mark.parametrize("shape", [(1, 1000), (1, 7, 7, 7)])
def test_output_without_a_grid_that_can_be_told_is_refused(shape):
    with pytest.raises(ValueError, match="layer 'x'"):
        place_of(shape, "x")


def test_layer_is_found_by_the_end_of_its_name_unless_several_end_so():
    fields = {"kind": "resnet", "size": 64, "classes": ["fracture"]}
    network = build_network(fields)
    assert find_layer(network, "layer4.1") == "body.layer4.1"
    with pytest.raises(ValueError, match="several end so"):
        find_layer(network, "conv1")
