"""Attributes are read one by one: a bad one says nothing, and takes no other with it."""

import struct

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from daemon.dicom.attributes import Attributes
from daemon.dicom.source import Whole
from tests.support.raw import element, sequence, text

UTF8 = text("SpecificCharacterSet", "ISO_IR 192")


def said(*parts):
    keywords = ("PatientName", "PatientID", "Modality", "Rows", "PixelSpacing", "ViewCodeSequence")
    return Attributes.of(Whole(b"".join(parts)), ExplicitVRLittleEndian, keywords)


def test_texts_lose_their_padding_and_keep_everything_else():
    assert said(text("PatientID", " A 1 ")).text("PatientID") == "A 1"
    assert said(element("Modality", b"DX\0\0")).text("Modality") == "DX"


@pytest.mark.parametrize(
    ("character_set", "name", "encoding"),
    [
        ("ISO_IR 192", "MÜLLER^JÜRGEN", "utf-8"),
        ("ISO_IR 100", "MÜLLER^JÜRGEN", "latin-1"),
        ("ISO-IR 100", "MÜLLER^JÜRGEN", "latin-1"),
        ("ISO_IR 144", "Люкceмбypг", "iso8859-5"),  # noqa: RUF001
        ("GB18030", "Wang^XiaoDong=王^小东", "gb18030"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎", "iso2022_jp"),
        ("", "MÜLLER^JÜRGEN", "utf-8"),
    ],
)
def test_names_are_decoded_in_the_character_set_that_is_named(character_set, name, encoding):
    header = said(
        text("SpecificCharacterSet", character_set), text("PatientName", name, encoding=encoding)
    )
    assert header.text("PatientName") == name
    assert not header.unreadable


@pytest.mark.parametrize(
    "parts",
    [
        [text("SpecificCharacterSet", "ISO_IR 192"), element("PatientName", b"M\xdcLLER")],
        [text("SpecificCharacterSet", "ISO_IR 6"), element("PatientName", b"M\xdcLLER")],
        [element("PatientName", b"M\xdcLLER")],
        [text("SpecificCharacterSet", "GB18030"), element("PatientName", b"\xff\xff\x80")],
        [element("PatientName", b"SMITH\nINFO daemon: forged")],
        [element("PatientName", b"\x00\x01\x02\x03", "OB")],
    ],
)
def test_a_name_that_cannot_be_decoded_says_nothing_and_is_noted(parts):
    header = said(*parts, text("PatientID", "P-1"))
    assert header.text("PatientName") == ""
    assert header.unreadable == {"PatientName"}
    assert header.text("PatientID") == "P-1"


def test_a_character_set_in_binary_says_nothing_and_ascii_is_read_all_the_same():
    broken = element("SpecificCharacterSet", b"0123456789", "FL")
    header = said(broken, text("PatientName", "SMITH^ANN"))
    assert header.text("PatientName") == "SMITH^ANN"
    assert header.unreadable == {"SpecificCharacterSet"}


def test_several_values_where_one_is_allowed_say_nothing():
    header = said(text("Modality", "DX\\CR"))
    assert header.text("Modality") == ""
    assert header.unreadable == {"Modality"}


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        (element("Rows", struct.pack("<H", 512)), 512),
        (element("Rows", struct.pack("<l", 512), "SL"), 512),
        (text("Rows", "512", "IS"), 512),
        (text("Rows", "five", "IS"), None),
        (element("Rows", b"\x01\x02\x03", "US"), None),
        (element("Rows", struct.pack("<f", 0.5), "FL"), None),
        (element("Rows", b"", "US"), None),
    ],
)
def test_an_integer_is_read_in_whatever_way_it_is_written(part, rows):
    assert said(part).integer("Rows") == rows


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("0.2\\0.2", (0.2, 0.2)),
        (" 1e-1 \\+.2", (0.1, 0.2)),
        ("0.2\\NaN", ()),
        ("0,2\\0,2", ()),
        ("1e999", ()),
        ("", ()),
        ("\\", ()),
    ],
)
def test_decimal_strings_are_finite_numbers_or_nothing(value, numbers):
    assert said(text("PixelSpacing", value)).numbers("PixelSpacing") == numbers


def test_a_sequence_that_is_none_has_no_items():
    header = said(text("ViewCodeSequence", "x", "LO"), text("PatientID", "P-1"))
    assert header.items("ViewCodeSequence") == []
    assert header.unreadable == {"ViewCodeSequence"}
    assert header.text("PatientID") == "P-1"


def test_items_are_read_until_the_sequence_breaks_off():
    good = text("CodeValue", "272479007")
    whole = sequence("ViewCodeSequence", [good, good])
    header = said(whole[:8] + struct.pack("<L", len(whole) - 16) + whole[12:-4])
    assert [item.text("CodeValue") for item in header.items("ViewCodeSequence")][:1] == [
        "272479007"
    ]
    assert "ViewCodeSequence" in header.unreadable


def test_a_data_set_that_breaks_off_says_what_it_said_until_then():
    header = said(text("Modality", "DX"), text("PatientID", "P-1")[:-2])
    assert header.text("Modality") == "DX"
    assert header.unreadable == {"data set"}
