import pytest

from export.manifest import findings_of, gate_of


def test_only_finding_of_the_shipped_model_has_its_points_without_a_prefix():
    decision = {"high_sensitivity": 0.2, "high_specificity": 0.4}
    (only,) = findings_of(("no_finding", "fracture"), decision)
    assert (only.name, only.class_index, only.high_specificity) == ("fracture", 1, 0.4)


def test_the_only_finding_need_not_be_a_fracture():
    (only,) = findings_of(("metal",), {"high_sensitivity": 0.2, "high_specificity": 0.4})
    assert (only.name, only.class_index) == ("metal", 0)


@pytest.mark.parametrize(
    ("classes", "decision"),
    [
        (("no_finding", "fracture"), {}),
        (("fracture", "metal"), {"high_sensitivity": 0.2, "high_specificity": 0.4}),  # whose?
    ],
)
def test_without_operating_points_there_is_no_package(classes, decision):
    with pytest.raises(ValueError, match="no finding has operating points"):
        findings_of(classes, decision)


def test_every_finding_with_points_is_reported_and_others_are_not():
    decision = {
        f"{name}.{point}": value
        for name in ("fracture", "softtissue")
        for point, value in (("high_sensitivity", 0.1), ("high_specificity", 0.9))
    }
    found = findings_of(("fracture", "metal", "softtissue"), decision)
    assert [(spec.name, spec.class_index) for spec in found] == [("fracture", 0), ("softtissue", 2)]


@pytest.mark.parametrize("decision", [{}, {"gate_threshold": 0.3}])
def test_gate_is_described_only_where_it_was_fitted(decision):
    gate = gate_of("wrist", decision)
    assert (gate is None) == (not decision)
