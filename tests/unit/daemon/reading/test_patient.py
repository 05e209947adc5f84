"""Headers that speak of one patient, and headers that do not."""

import pytest
from pydicom import Dataset

from daemon.reading.patient import disagreements


def header(**values):
    dataset = Dataset()
    plain = {"PatientID": "1", "PatientName": "DOE^JANE", "StudyInstanceUID": "1.2.3"}
    for keyword, value in (plain | values).items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({}, id="the same"),
        pytest.param({"PatientBirthDate": "19800102"}, id="a birth date that the other lacks"),
        pytest.param({"PatientName": "Doe^Jane^^^"}, id="another case and empty components"),
        pytest.param({"PatientName": "DOE^ JANE=ドウ^ジェーン"}, id="a second script"),
        pytest.param({"PatientName": ""}, id="no name"),
    ],
)
def test_headers_that_do_not_contradict_each_other_agree(other):
    assert disagreements([header(), header(**other)]) == []


@pytest.mark.parametrize(
    ("first", "second", "keyword"),
    [
        ({}, {"PatientID": "2"}, "PatientID"),
        ({"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}, "IssuerOfPatientID"),
        ({}, {"PatientName": "DOE^JOHN"}, "PatientName"),
        (
            {"PatientBirthDate": "19800102"},
            {"PatientBirthDate": "19800103"},
            "PatientBirthDate",
        ),
        ({}, {"StudyInstanceUID": "1.2.4"}, "StudyInstanceUID"),
    ],
)
def test_what_differs_is_named_without_its_values(first, second, keyword):
    assert disagreements([header(**first), header(**second)]) == [keyword]
