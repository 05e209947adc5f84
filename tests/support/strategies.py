"""Data sets as nobody should write them, in raw bytes: for tests that no header may break.

Every attribute that `daemon.dicom.parse` reads is there with legal values, with values that break
the rules of its VR, in another VR, and with nested rubbish.
"""

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from daemon.dicom.parse import KEYWORDS

_LONG_FORM = frozenset(("OB", "OW", "SQ", "UN", "UT", "UC", "UR"))
_SHORTEST_LIMIT = 0xFFFE
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_DEEPEST = 2
_CHARSETS = ("ISO_IR 100", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 87", "ISO_IR 999")
_CODECS = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "\\ISO 2022 IR 87": "iso2022_jp"}
_VRS = ("AS", "CS", "DS", "FD", "FL", "IS", "LO", "OB", "OW", "PN", "SH", "SL", "SQ", "SS", "ST",
        "TM", "UI", "UL", "UN", "US", "UT")  # fmt: skip
"""That an attribute may be written in, whatever its own is."""

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")
"""What no object is taken without."""

_DECIMALS = (
    "0.144", "1", "0", "-1", "1e-7", "0.001", "100", "1E400", "-1e300", "nan", "0,2", "1.5mm",
    "0.12345678901234567890", "123456789012345678901", " 7 ", "+.5", "3.3333333333333335",
)  # fmt: skip
_LEGAL: dict[str, tuple[str, ...]] = {
    "AnatomicRegionSequence": (),
    "BodyPartExamined": ("WRIST", "HAND", "CHEST", "EXTREMITY", "HANDGELENK", "L WRIST", "X" * 30),
    "CodeMeaning": ("Wrist joint", "Poignet \u00e9t\u00e9", "M" * 64, "\u5c71" * 64),
    "CodeValue": ("74670003", "T-15460", "399067008", "V" * 16, "R-40888"),
    "CodingSchemeDesignator": ("SCT", "SRT", "DCM", "99LOCAL", "LN"),
    "ImageLaterality": ("L", "R", "B", "U"),
    "Laterality": ("L", "R"),
    "LossyImageCompression": ("00", "01"),
    "LossyImageCompressionMethod": ("ISO_10918_1", "iso_15444_1", "ISO_10918_1\\ISO_15444_1", "?"),
    "LossyImageCompressionRatio": _DECIMALS,
    "Modality": ("CR", "DX", "RG", "OT", "SR", "PR", "KO", "MG", "FOO"),
    "PatientAge": ("045Y", "45Y", "000D", "999W", "Y045"),
    "PatientBirthDate": ("19800102", "1980.01.02", "1980-13-02", "00010101", "1980"),
    "PatientID": ("PHANTOM-1", "P" * 64, "P" * 90, "A\\B", "\u00c4 7"),
    "PatientName": ("PHANTOM^ONE", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", "A" * 99, "=" * 9),
    "PatientOrientation": ("L\\F", "L\\H", "A\\F", "LA\\FP", "L\\L", "AP\\F", "L\\R", "L", "Q\\R"),
    "PatientSex": ("M", "F", "O", "m", "X"),
    "PixelAspectRatio": ("1\\1", "2\\1", "0\\1", "2147483647\\1", "1"),
    "PixelSpacingCalibrationType": ("GEOMETRY", "FIDUCIAL", "OTHER"),
    "PresentationIntentType": ("FOR PRESENTATION", "FOR PROCESSING"),
    "QualityControlImage": ("YES", "NO"),
    "RequestedProcedurePriority": ("STAT", "ROUTINE"),
    "StudyDate": ("20250314", "2025.03.14", "20250231"),
    "StudyTime": ("101500", "10:15:00", "10", "1015", "101500.123456", "235960", "246060"),
    "TimezoneOffsetFromUTC": ("+0100", "0500", "-1200", "+1400", "-0000", "+9999", "UTC"),
    "UniversalEntityIDType": ("ISO", "DNS", "uuid", "X500", "WRONG"),
    "ViewPosition": ("PA", "AP", "LL", "LLO", "lateral", "XYZ"),
    "SeriesInstanceUID": ("1.2.3.4", "1.2.007.4", "", "not a uid", "1." * 40 + "1", "1..2"),
}  # fmt: skip
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_ISSUER = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
_INSIDE: dict[str, tuple[str, ...]] = {
    "IssuerOfPatientIDQualifiersSequence": _ISSUER,
    "IssuerOfAccessionNumberSequence": _ISSUER,
    "RequestAttributesSequence": (
        "RequestedProcedureID", "AccessionNumber", "RequestedProcedureDescription",
        "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
        "RequestedProcedureCodeSequence", "RequestedProcedurePriority", "SpecificCharacterSet",
    ),
}  # fmt: skip
_INSIDE["ReferencedRequestSequence"] = _INSIDE["RequestAttributesSequence"]
"""What items hold; those of other sequences are codes."""


@dataclass(frozen=True)
class Encoding:
    """How a data set's elements are written."""

    syntax: UID

    @property
    def order(self) -> str:
        """As in `struct`."""
        return "<" if self.syntax.is_little_endian else ">"

    def element(self, keyword: str, vr: str, value: bytes) -> tuple[int, bytes]:
        """Return an element's tag and bytes; what is too long for the VR's length is cut."""
        tag = tag_for_keyword(keyword) or 0
        value += b" " * (len(value) % 2)
        head = struct.pack(f"{self.order}HH", tag >> 16, tag & 0xFFFF)
        if self.syntax.is_implicit_VR:
            return tag, head + struct.pack(f"{self.order}L", len(value)) + value
        if vr in _LONG_FORM:
            return tag, head + vr.encode() + struct.pack(f"{self.order}HL", 0, len(value)) + value
        value = value[:_SHORTEST_LIMIT]
        return tag, head + vr.encode() + struct.pack(f"{self.order}H", len(value)) + value

    def item(self, tag: tuple[int, int], length: int) -> bytes:
        """Return the head of an item, or a delimiter."""
        return struct.pack(f"{self.order}HHL", *tag, length)


_ROOTS = ("1.2", "2.25", "1.3.6.1.4.1", "0", "0.0", "3", "9.9", "99.1")


def uids() -> SearchStrategy[str]:
    """Return UIDs that intake takes: some have components that begin with zeros, or an odd root."""
    component = st.one_of(st.integers(0, 10**12).map(str), st.sampled_from(("007", "00", "0")))
    tail = st.lists(component, min_size=1, max_size=3).map(".".join)
    return st.tuples(st.sampled_from(_ROOTS), tail).map(".".join)


@st.composite
def files(draw: DrawFn, study_uid: str) -> bytes:
    """Draw a file of an image, with a header of legal and illegal values in raw bytes."""
    syntaxes = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
    encoding = Encoding(draw(st.sampled_from(syntaxes)))
    charset = draw(st.sampled_from(("", *_CHARSETS)))
    classes = (DigitalXRayImageStorageForPresentation, ComputedRadiographyImageStorage)
    identity = (draw(st.sampled_from(classes)), draw(uids()), study_uid)
    written = [
        encoding.element(keyword, "UI", _padded_uid(value))
        for keyword, value in zip(_IDENTITY, identity, strict=True)
    ]
    if charset:
        written.append(encoding.element("SpecificCharacterSet", "CS", charset.encode()))
    keywords = sorted(set(KEYWORDS) - set(_IDENTITY))
    chosen = draw(st.lists(st.sampled_from(keywords), unique=True, min_size=5))
    written += [draw(_element(encoding, keyword, charset, 0)) for keyword in chosen]
    meta = BytesIO()
    write_file_meta_info(meta, _meta(identity, encoding.syntax))
    return b"\0" * 128 + b"DICM" + meta.getvalue() + b"".join(data for _, data in sorted(written))


def write_file(content: bytes, folder: Path) -> Path:
    """Write a drawn file."""
    path = folder / "drawn.dcm"
    path.write_bytes(content)
    return path


def _meta(identity: tuple[str, str, str], syntax: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = identity[0]
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = "1.2.3"
    return meta


def _padded_uid(value: str) -> bytes:
    data = value.encode()
    return data + b"\0" * (len(data) % 2)


@st.composite
def _element(
    draw: DrawFn, encoding: Encoding, keyword: str, charset: str, depth: int
) -> tuple[int, bytes]:
    """Draw an element: mostly of its own VR with a legal or an odd value, sometimes rubbish."""
    own = dictionary_VR(keyword)[:2]
    rubbish = draw(st.integers(0, 7)) == 0
    vr = draw(st.sampled_from(_VRS)) if rubbish else own
    if vr == "SQ" and depth < _DEEPEST:
        return encoding.element(keyword, vr, draw(_items(encoding, keyword, charset, depth)))
    if rubbish:
        return encoding.element(keyword, vr, draw(st.binary(max_size=40)))
    return encoding.element(keyword, vr, draw(_value(encoding, keyword, own, charset)))


@st.composite
def _items(draw: DrawFn, encoding: Encoding, keyword: str, charset: str, depth: int) -> bytes:
    """Draw a sequence's items, of defined or undefined length."""
    inside = st.sampled_from(_INSIDE.get(keyword, _CODE))
    value = b""
    for _ in range(draw(st.integers(0, 2))):
        keywords = draw(st.lists(inside, unique=True, max_size=8))
        written = sorted(draw(_element(encoding, one, charset, depth + 1)) for one in keywords)
        content = b"".join(data for _, data in written)
        if draw(st.booleans()):
            value += encoding.item(_ITEM, len(content)) + content
        else:
            value += encoding.item(_ITEM, _UNDEFINED) + content + encoding.item(_ITEM_END, 0)
    return value + draw(st.sampled_from((b"", encoding.item(_SEQUENCE_END, 0))))


def _value(encoding: Encoding, keyword: str, vr: str, charset: str) -> SearchStrategy[bytes]:
    if vr == "US":
        number = st.integers(0, 0xFFFF).map(lambda one: struct.pack(f"{encoding.order}H", one))
        return st.one_of(number, st.binary(max_size=6))
    codec = _CODECS.get(charset, "latin-1")
    legal = _LEGAL.get(keyword, _DECIMALS if vr == "DS" else ("VALUE", "\u00dcber 1"))
    several = st.lists(st.sampled_from(legal or ("",)), min_size=1, max_size=3).map("\\".join)
    texts = st.one_of(st.sampled_from(legal or ("",)), several, _odd_texts())
    return texts.map(lambda text: text.encode(codec, "replace"))


def _odd_texts() -> SearchStrategy[str]:
    """Return texts that are too long, hold control characters, delimiters or any letters."""
    piece = st.sampled_from(
        ("", " ", "\\", "^", "=", "\n", "\0", "\x1b", "\x85", "<", ">", "&", "\u00e9", "\u5c71")
    )
    strange: SearchStrategy[Any] = st.lists(piece, max_size=12).map("".join)
    long = st.tuples(st.sampled_from(("A", "1", "\u00e9", "\u5c71", "^")), st.integers(15, 300))
    anything = st.text(max_size=70)
    return st.one_of(strange, long.map(lambda pair: pair[0] * pair[1]), anything)
