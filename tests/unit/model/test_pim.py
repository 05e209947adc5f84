import pytest
import torch

from model.networks.backbone import build_backbone
from model.networks.combiner import Combiner
from model.networks.pim import Pim, PimConfig, PimOutput
from model.networks.pyramid import Pyramid, TokenClassifier, TokenNorm
from model.networks.selector import select

SWIN_L_CHANNELS = [384, 768, 1536, 1536]
SWIN_L_GRIDS = [(48, 48), (24, 24), (12, 12), (12, 12)]
SWIN_L_SELECTS = 2048 + 512 + 128 + 32


def small(**changes) -> Pim:
    fields = {"size": 64, "width": 16, "upsampling": "bilinear", "classes": ("no_finding", "metal")}
    torch.manual_seed(0)
    return Pim(PimConfig(backbone="test_resnet", **(fields | changes)))


def count(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


@pytest.mark.parametrize(
    ("width", "millions"), [(512, 10.7), (1024, 17.2), (1536, 26.6), (2048, 38.9), (3000, 69.4)]
)
def test_plug_in_module_over_swin_l_has_the_published_number_of_parameters(width, millions):
    with torch.device("meta"):
        parts = [
            Pyramid(SWIN_L_CHANNELS, SWIN_L_GRIDS, width, "tokens"),
            Combiner(SWIN_L_SELECTS, width, 4),
            *(TokenClassifier(width, 4) for _ in range(4)),
        ]
    assert count(*parts) / 1e6 == pytest.approx(millions, abs=0.06)


def test_published_selection_gives_85_joints():
    with torch.device("meta"):
        assert Combiner(SWIN_L_SELECTS, 8, 4).adjacency.shape == (85, 85)


def test_adjacency_starts_at_a_hundredth_and_twice_that_on_the_diagonal():
    adjacency = Combiner(96, 8, 2).adjacency
    assert torch.allclose(adjacency, 0.01 * (torch.ones(3, 3) + torch.eye(3)))


def test_merging_backbone_is_opened_after_each_merging_and_at_the_end():
    backbone = build_backbone("swin_tiny_patch4_window7_224", 64)
    assert backbone.grids == [(8, 8), (4, 4), (2, 2), (2, 2)]
    assert backbone.channels == [192, 384, 768, 768]


def test_mobile_backbone_is_opened_at_strides_8_16_32_and_behind_its_wide_convolution():
    backbone = build_backbone("mobilenetv2_100", 64)
    assert backbone.grids == [(8, 8), (4, 4), (2, 2), (2, 2)]
    assert backbone.channels == [32, 96, 320, 1280]


def test_unknown_backbone_is_refused_by_name():
    with pytest.raises(ValueError, match="knows no such network"):
        build_backbone("resnet_of_our_dreams", 64)


def test_selector_keeps_the_most_confident_tokens_in_order():
    features = torch.arange(5.0).view(1, 5, 1)
    logits = torch.tensor([[[0.0, 0.1], [3.0, 0.0], [0.0, 1.0], [0.0, 5.0], [0.0, 0.0]]])
    kept = select(features, logits, 3)
    assert kept.features.flatten().tolist() == [3.0, 1.0, 2.0]
    assert kept.dropped(5).tolist() == [[1.0, 0.0, 0.0, 0.0, 1.0]]


def test_token_norm_in_evaluation_equals_torch_batch_norm():
    norm = TokenNorm(4)
    norm.running_mean, norm.running_var = torch.randn(4), torch.rand(4) + 0.5
    tokens = torch.randn(2, 7, 4)
    plain = torch.nn.BatchNorm1d(4)
    plain.load_state_dict(norm.state_dict())
    expected = plain.eval()(tokens.transpose(1, 2)).transpose(1, 2)
    assert torch.allclose(norm.eval()(tokens), expected, atol=1e-6)


def test_learned_upsampling_mixes_tokens_and_keeps_equal_grids():
    pyramid = Pyramid([4] * 4, [(8, 8), (4, 4), (2, 2), (2, 2)], 6, "tokens")
    levels = pyramid([torch.randn(1, side, side, 4) for side in (8, 4, 2, 2)])
    assert [level.shape[1] for level in levels] == [64, 16, 4, 4]
    assert isinstance(pyramid.up[2], torch.nn.Identity)


def test_average_head_is_the_mean_of_combiner_and_nodes():
    network = small(head="average").eval()
    output: PimOutput = network(torch.randn(2, 3, 64, 64))
    answers = [output.combined, *(logits.mean(dim=1) for logits in output.token_logits)]
    assert torch.allclose(output.logits, sum(answers) / 5, atol=1e-6)


def test_combiner_head_is_the_default():
    output = small().eval()(torch.randn(1, 3, 64, 64))
    assert torch.equal(output.logits, output.combined)
