"""What an image says, decided once: views, sides, spacings, orders, and what is put right."""

from dataclasses import replace

import pytest
from pydicom.sr.codedict import codes

from daemon.dicom import views
from daemon.dicom.header import Header
from daemon.dicom.parse import read_header
from tests.support.headers import header_of
from tests.support.objects import dx
from tests.support.phantoms import wrist
from tests.support.raw import element, sequence, text, write


@pytest.fixture(scope="module")
def film():
    return dx(wrist(spacing_mm=1.0))


def read(tmp_path, *parts):
    return read_header(write(tmp_path / "x.dcm", b"".join(parts)))


def view_code(value, meaning="x"):
    item = text("CodeValue", value) + text("CodingSchemeDesignator", "SCT")
    return sequence("ViewCodeSequence", [item + text("CodeMeaning", meaning)])


def test_a_record_is_the_same_after_the_pipe(film):
    header = header_of(film)
    assert Header.from_json(header.to_json()) == header
    assert header.unreadable == ()


def test_every_code_of_cid_4010_is_known_and_means_one_view():
    expected = {
        "oblique": "OBL",
        "lateral": "LAT",
        "antero-posterior": "AP",
        "postero-anterior": "PA",
    }
    concepts = [getattr(codes.cid4010, name) for name in codes.cid4010.dir()]
    assert len(concepts) == 42
    for concept in concepts:
        coded = views.code_of_code(concept.value)
        assert coded is not None
        assert coded.meaning == concept.meaning
        view = views.view_of_code(concept.value)
        if view is None:
            continue
        words = concept.meaning.replace("medial-", "").replace("-medial", "")
        assert view == next(kind for word, kind in expected.items() if word in words)


@pytest.mark.parametrize(
    ("position", "view"),
    [
        ("PA", "PA"), ("AP", "AP"), ("LL", "LAT"), ("RL", "LAT"), ("LLO", "OBL"), ("RLO", "OBL"),
        ("RAO", "OBL"), ("LAO", "OBL"), ("RPO", "OBL"), ("LPO", "OBL"), ("LATERAL", "LAT"),
        ("oblique", "OBL"), ("RLD", None), ("LLD", None), ("", None), ("SKYLINE", None),
    ],
)  # fmt: skip
def test_every_view_position_means_one_view(tmp_path, position, view):
    assert read(tmp_path, text("ViewPosition", position)).view == view


def test_a_view_that_is_only_coded_is_the_view(tmp_path):
    header = read(tmp_path, view_code("399067008"))
    assert header.view == "LAT"
    assert header.view_code is not None


def test_a_view_that_contradicts_itself_is_none(tmp_path):
    header = read(tmp_path, text("ViewPosition", "PA"), view_code("399067008"))
    assert (header.view, header.view_code) == (None, None)
    assert header.unreadable == ("ViewPosition",)


@pytest.mark.parametrize(
    ("value", "spacing"),
    [
        ("0.2\\0.3", (0.2, 0.3)),
        ("0.2", (0.2, 0.2)),
        ("0.2\\0.2\\0.2", None),
        ("0\\0", None),
        ("-1\\1", None),
        ("1e30\\1e30", None),
        ("0,2\\0,2", None),
    ],
)
def test_spacing_is_two_lengths_above_zero_or_one_for_square_pixels(tmp_path, value, spacing):
    header = read(tmp_path, text("PixelSpacing", value), text("ImagerPixelSpacing", "0.4\\0.4"))
    assert header.pixel_spacing == spacing
    assert header.spacing_mm == (spacing or (0.4, 0.4))


@pytest.mark.parametrize(
    ("keyword", "value", "name", "expected"),
    [
        ("TimezoneOffsetFromUTC", "0500", "timezone", "+0500"),
        ("TimezoneOffsetFromUTC", "-0330", "timezone", "-0330"),
        ("TimezoneOffsetFromUTC", "+2500", "timezone", ""),
        ("TimezoneOffsetFromUTC", "CET", "timezone", ""),
        ("LossyImageCompressionRatio", "13.3321805467261829", "lossy_ratios",
         ("13.3321805467262",)),
        ("LossyImageCompressionMethod", "iso_10918_1", "lossy_methods", ("ISO_10918_1",)),
        ("PatientBirthDate", "1980.01.02", "birth_date", "19800102"),
        ("PatientBirthDate", "19801302", "birth_date", ""),
        ("StudyTime", "10:15:00", "study_time", "101500"),
        ("StudyTime", "101560", "study_time", ""),
        ("PatientAge", "45Y", "age", "045Y"),
        ("PatientAge", "FORTY", "age", ""),
        ("PatientSex", "m", "sex", "M"),
        ("PatientSex", "W", "sex", ""),
        ("Modality", "DX\\CR", "modality", ""),
        ("PatientID", "P\\1", "patient_id", "P\\1"),
        ("StudyDescription", "x" * 65, "study_description", ""),
        ("PatientName", "A^" + "B" * 100, "patient_name", "A^" + "B" * 62),
        ("ImageLaterality", "l", "side", "L"),
        ("PatientOrientation", "L", "orientation", None),
        ("PatientOrientation", "L\\H", "orientation", ("L", "H")),
        ("QualityControlImage", "YES", "quality_control", True),
    ],
)  # fmt: skip
def test_a_value_is_kept_put_right_or_left_out(tmp_path, keyword, value, name, expected):
    assert getattr(read(tmp_path, text(keyword, value)), name) == expected


def test_one_bad_attribute_takes_no_other_with_it(tmp_path):
    header = read(
        tmp_path,
        element("SpecificCharacterSet", b"0123456789", "FL"),
        text("ViewCodeSequence", "x", "LO"),
        text("AnatomicRegionSequence", "x", "LO"),
        element("PatientAge", b"\x00\x01", "US"),
        text("PatientID", "P-1"),
        text("ViewPosition", "PA"),
    )
    assert (header.patient_id, header.view, header.regions) == ("P-1", "PA", ())
    assert set(header.unreadable) == {
        "SpecificCharacterSet",
        "ViewCodeSequence",
        "AnatomicRegionSequence",
        "PatientAge",
    }


def test_orders_and_urgency_come_from_the_request(tmp_path):
    request = text("RequestedProcedureID", "RP1") + text("RequestedProcedurePriority", "STAT")
    header = read(tmp_path, sequence("RequestAttributesSequence", [request, b""]))
    assert [order.procedure_id for order in header.orders] == ["RP1"]
    assert header.urgent


def test_raw_detector_values_are_known_by_class_or_intent(film):
    raw = header_of(film)
    assert not raw.for_processing
    film.PresentationIntentType = "FOR PROCESSING"
    assert header_of(film) == replace(raw, for_processing=True)
    film.PresentationIntentType = "FOR PRESENTATION"
