"""Without a template the card says all that is known of a model, and of the rest that it is not."""

import pytest

from export.card import CardError, fill_card, read_template
from export.model_card import WARNING, describe_model
from model.landmarks import LandmarkManifest
from model.networks.hourglass import HourglassConfig, Localiser
from model.package import FindingSpec, Gate, Golden, Manifest, MapSpec
from model.pixels import CONTRACT_VERSION, PixelProfile
from model.verified import ParityReport, TaskChange
from tests.unit.export.conftest import SIZE, checkpoint_of

METRICS = {
    "judged_by": "val",
    "films": 117,
    "auroc": [0.921, 0.856, 0.963],
    "mean_auroc": float("nan"),
    "gate": {"hands_accepted": 0.983},
    "metal": {"sensitivity_at_high_sensitivity": [0.95, 0.9, 1.0]},
    "curve": [0.1, 0.2, 0.3, 0.4],
}
COMMON = {
    "name": "tiny",
    "version": "1",
    "graph_sha256": "0" * 64,
    "pixel_contract": CONTRACT_VERSION,
    "pixels": PixelProfile(size=SIZE),
    "training": {},
    "attribution": ("Films: of a | hospital",),
}


def points(name, index):
    return FindingSpec(name=name, class_index=index, high_sensitivity=0.2, high_specificity=0.7)


def manifest_of(*classes, findings, **changes):
    fields = {
        "activation": "softmax",
        "classes": classes,
        "findings": findings,
        "temperature": 1.5,
        "calibration": "fitted on 117 films",
        "cam_layer": "level2",
        "maps": (MapSpec(output="cam", layer="level2", method="gradcam", rows=8, columns=8),),
        "golden": Golden(logits=(0.0,) * len(classes)),
        "body_parts": ("WRIST",),
        "parity": {"tied_cam_oracle": 0.005, "logits": 0.0001, "cam": 0.00002},
        "parity_report": ParityReport(reference="PyTorch 2", pictures=11),
    }
    return Manifest(**(COMMON | fields | changes))


@pytest.fixture
def only():
    return manifest_of("no_finding", "fracture", findings=(points("fracture", 1),))


def test_every_figure_stands_in_one_table_with_the_split_it_was_judged_by(network, only):
    card = describe_model(checkpoint_of(network, metrics=METRICS), network, only, "2.0")
    assert "Judged by: val." in card
    assert "| AUROC | 0.921 | 0.856 to 0.963 |" in card
    assert "| films | 117 |  |" in card
    assert "| mean AUROC | not measured | not measured |" in card
    assert "| gate: hands accepted | 0.983 | not measured |" in card
    assert "| curve | 4 values, in the checkpoint |  |" in card


def test_what_is_not_known_is_said(network, only):
    card = describe_model(checkpoint_of(network, provenance={}), network, only, "2.0")
    assert "Judged by: not recorded. Figures: not measured." in card
    assert "* sha256 of the data: not recorded" in card
    assert "* ages: no limit stated" in card
    assert "* body-part gate: none" in card
    assert "| Fracture | high sensitivity | 0.200 | not measured | not measured |" in card
    assert "no real films" in card


def test_what_is_known_is_said_in_words(network, only):
    gated = only.model_copy(update={"gate": Gate(accepts="wrist", threshold=0.4)})
    provenance = {"films": "717 to train on, 117 to judge by", "device": "CPU, 2"}
    stored = checkpoint_of(network, provenance=provenance)
    stored.recipe["package"] |= {"accepts": "a wrist", "min_age_years": 18}
    card = describe_model(stored, network, gated, "2.0")
    assert WARNING in card
    assert card.startswith("# tiny 1\n")
    for line in (
        "One class of several (single label), out of `no_finding`, `fracture`. The findings:",
        "* Fracture (`fracture`)",
        "* accepts: a wrist",
        "* ages: from 18 years",
        "* body-part gate: films below 0.400 are refused",
        "* kind: pim",
        "* backbone: test_resnet",
        f"* parameters: {sum(part.numel() for part in network.parameters()):,}",
        "* heat maps: Grad-CAM of level2, 8 x 8",
        "* films: 717 to train on, 117 to judge by",
        "* device: CPU, 2",
        "doubt. Temperature: 1.500. Calibration: fitted on 117 films.",
        "compared with PyTorch 2, on 11 pictures",
        "| the graph's logits against the reference's, on drawn pictures | 1.0e-04 | 1e-03 |",
        "against pytorch-grad-cam's, on adversarial pictures | 5.0e-03 | 1e-02 |",
        r"* Films: of a \| hospital",
    ):
        assert line in card


def test_each_finding_has_its_own_figures_and_one_without_points_is_named(network):
    both = (points("fracture", 0), points("metal", 1))
    manifest = manifest_of("fracture", "metal", "softtissue", findings=both, activation="sigmoid")
    stored = checkpoint_of(network, metrics=METRICS | {"sensitivity_at_high_sensitivity": 0.5})
    card = describe_model(stored, network, manifest, "2.0")
    assert "Each finding for itself (multi label)" in card
    assert "| Metal | high sensitivity | 0.200 | 0.950 (95 % CI 0.900 to 1.000) | not m" in card
    assert "| Fracture | high sensitivity | 0.200 | not measured | not measured |" in card
    assert "* Soft tissue swelling (`softtissue`): **not reported**" in card


def test_one_class_is_a_yes_or_no_and_its_figures_need_no_name(network):
    manifest = manifest_of("metal", findings=(points("metal", 0),), activation="sigmoid")
    metrics = {"specificity_at_high_specificity": 0.96}
    card = describe_model(checkpoint_of(network, metrics=metrics), network, manifest, "2.0")
    assert "One finding, yes or no:" in card
    assert "| Metal | high specificity | 0.700 | not measured | 0.960 |" in card


def test_a_change_of_auroc_on_films_is_named(network, only):
    change = TaskChange(
        finding="fracture",
        films=40,
        positive=12,
        auroc_reference=0.9,
        auroc=0.89,
        change=(-0.01, -0.02, 0.0),
    )
    report = ParityReport(reference="PyTorch 2", pictures=11, films=40, tasks=(change,))
    told = only.model_copy(update={"parity_report": report})
    card = describe_model(checkpoint_of(network), network, told, "2.0")
    assert "* AUROC of fracture: 0.9 before, 0.89 now (40 films, 12 with it)" in card


def test_a_localiser_has_a_card_too():
    network = Localiser(HourglassConfig(size=64, width=8, depth=3))
    places = ((0.5, 0.5),) * 3
    names = network.config.landmarks
    manifest = LandmarkManifest(
        **COMMON,
        network="hourglass",
        landmarks=names,
        golden=places,
        parity={"landmarks": 2e-6},
        parity_report=ParityReport(reference="PyTorch 2", pictures=11),
    )
    stored = checkpoint_of(network, decision={}, metrics={"error_mm": [1.2, 1.0, 1.4]})
    card = describe_model(stored, network, manifest, "2.0")
    for line in (
        WARNING,
        "reports no finding",
        *(f"* {name}" for name in names),
        "* kind: hourglass",
        "| error mm | 1.200 | 1.000 to 1.400 |",
        "None: a localiser scores nothing.",
        "| the graph's landmarks against the reference's, on drawn and adversarial pictures |",
    ):
        assert line in card


def test_a_template_is_filled_with_figures_of_any_depth(network, tmp_path):
    file = tmp_path / "card.md"
    file.write_text("$name $auroc $films $gate_hands_accepted $decision_fracture_high $$5")
    decision = {"fracture.high": 0.75}
    stored = checkpoint_of(network, metrics=METRICS, decision=decision)
    filled = fill_card(read_template(file, stored, ["name"]), stored, {"name": "tiny"})
    assert filled == "tiny 0.921 (95 % CI 0.856 to 0.963) 117 0.983 0.750 $5"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "$auroc $accuracy_on_the_moon",
            r"of \$accuracy_on_the_moon; known places: auroc, decision_high_s.*, name, ",
        ),
        ("costs $ 5", r"card\.md: a \$ that names no place; write \$\$"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_with_the_places_there_are(
    network, tmp_path, text, words
):
    file = tmp_path / "card.md"
    file.write_text(text)
    stored = checkpoint_of(network, metrics=METRICS)
    with pytest.raises(CardError, match=words):
        read_template(file, stored, ["name"])
