"""Objects taken apart, to be sent again and again under new UIDs, whole or with faults."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from pydicom import Dataset, dcmread
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from daemon.intake.store.admit import ANALYSED_SOP_CLASSES
from tests.benchmarks.blast import Item
from tests.support.elements import Element, join, split, with_value
from tests.support.encodings import LOSSLESS_SYNTAXES, encoded
from tests.support.mutations import CANARIES, ON_ELEMENTS, ON_STREAMS, deflate, inflate_to_much
from tests.support.objects import EXAM, cr, dx, uid
from tests.support.phantoms import wrist

_NAME, _PATIENT_ID, _ACCESSION = (one.decode() for one in CANARIES)
_TEXTS = ("LO", "LT", "PN", "SH", "ST", "UC", "UT")
_KEPT = ("CodeValue", "CodingSchemeDesignator")
_LAST_GROUP = 0x7FE0
_MOST_BYTES = 1 << 20
"""Larger real files are left out: thousands are sent."""
_SPACING_MM = 0.8
_SOP_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E
_SOUND, _IN_THE_BYTES, _MUCH, _OTHER_SYNTAX = 0.08, 0.2, 0.02, 0.03
"""Shares: objects without a fault, faults in the bytes, and so on."""


@dataclass(frozen=True)
class Recorded:
    """An object whose texts hold canaries."""

    sop_class: str
    syntax: UID
    elements: tuple[Element, ...]

    @property
    def order(self) -> str:
        """Its byte order, as in `struct`."""
        return "<" if self.syntax.is_little_endian else ">"

    def named(self, study_uid: str, sop_instance_uid: str) -> list[Element]:
        """Return the elements of a new instance of a study."""
        named = with_value(self.elements, _SOP_INSTANCE, sop_instance_uid.encode())
        named = with_value(named, _SERIES, uid("series", sop_instance_uid).encode())
        return with_value(named, _STUDY, study_uid.encode())

    def item(self, study_uid: str, sop_instance_uid: str) -> Item:
        """Return a sound instance, ready to be sent."""
        data_set = join(self.named(study_uid, sop_instance_uid), self.order)
        stream = deflate(data_set) if self.syntax.is_deflated else data_set
        return Item(self.sop_class, str(self.syntax), sop_instance_uid, stream)


def mutated(recorded: Recorded, study_uid: str, sop_instance_uid: str, chance: Random) -> Item:
    """Return an instance with one to three faults, seldom without one."""
    if chance.random() < _SOUND:
        return recorded.item(study_uid, sop_instance_uid)
    elements, in_the_bytes = recorded.named(study_uid, sop_instance_uid), 0
    for _ in range(chance.choice((1, 1, 2, 3))):
        if chance.random() < _IN_THE_BYTES:
            in_the_bytes += 1
        else:
            elements = chance.choice(ON_ELEMENTS)(elements, chance)
    if recorded.syntax.is_deflated and chance.random() < _MUCH:
        elements = inflate_to_much(elements, chance)
    stream = _damaged(join(elements, recorded.order), recorded.syntax, in_the_bytes, chance)
    is_other = chance.random() < _OTHER_SYNTAX
    syntax = chance.choice(LOSSLESS_SYNTAXES) if is_other else recorded.syntax
    return Item(recorded.sop_class, str(syntax), sop_instance_uid, stream)


def _damaged(stream: bytes, syntax: UID, faults: int, chance: Random) -> bytes:
    """Put faults into the bytes; of a deflated data set before or after it is deflated."""
    deflated_first = syntax.is_deflated and chance.random() < 0.5
    if deflated_first:
        stream = deflate(stream)
    for _ in range(faults):
        stream = chance.choice(ON_STREAMS)(stream, chance)
    return deflate(stream) if syntax.is_deflated and not deflated_first else stream


def drawn() -> list[Recorded]:
    """Return drawn DX and CR films in every lossless transfer syntax."""
    films = [
        dx(wrist(spacing_mm=_SPACING_MM), "PA", EXAM),
        cr(wrist("LAT", spacing_mm=_SPACING_MM), "LAT", EXAM),
    ]
    for one in films:
        one.RequestAttributesSequence = [_order()]
        one.IssuerOfPatientIDQualifiersSequence = [_issuer()]
        _mark(one)
    return [_record(encoded(one, syntax)) for one in films for syntax in LOSSLESS_SYNTAXES]


def real(folder: Path) -> list[Recorded]:
    """Return the real files of a folder that are not too large."""
    found = []
    for file in sorted(folder.glob("*.dcm")):
        if file.stat().st_size > _MOST_BYTES:
            continue
        one = dcmread(file)
        if one.SOPClassUID not in ANALYSED_SOP_CLASSES:
            continue
        _mark(one)
        found.append(_record(one))
    return found


def _order() -> Dataset:
    order, procedure = Dataset(), Dataset()
    procedure.CodeValue, procedure.CodingSchemeDesignator = "24910-8", "LN"
    procedure.CodeMeaning = "XR wrist"
    order.RequestedProcedureID, order.AccessionNumber = "1", _ACCESSION
    order.RequestedProcedureDescription = "XR wrist"
    order.RequestedProcedureCodeSequence = [procedure]
    return order


def _issuer() -> Dataset:
    issuer = Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "1.2.3", "ISO"
    return issuer


def _record(one: Dataset) -> Recorded:
    """Take an object apart; its sequences get defined lengths."""
    for tag in [element.tag for element in one if element.tag.group > _LAST_GROUP]:
        del one[tag]
    for element in one.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = False
            for item in element.value:
                item.is_undefined_length_sequence_item = False
    syntax = one.file_meta.TransferSyntaxUID
    written = ExplicitVRLittleEndian if syntax == DeflatedExplicitVRLittleEndian else syntax
    data_set = encode(one, written.is_implicit_VR, written.is_little_endian)
    if data_set is None:
        raise ValueError("a recorded object cannot be encoded")
    order = "<" if syntax.is_little_endian else ">"
    elements = split(data_set, order, implicit=syntax.is_implicit_VR)
    return Recorded(str(one.SOPClassUID), syntax, tuple(elements))


def _mark(one: Dataset) -> None:
    """Put a canary into every text."""
    for element in one.iterall():
        if element.VR in _TEXTS and element.keyword not in _KEPT:
            element.value = f"{_NAME[:5]} {_PATIENT_ID}"
    one.PatientName, one.PatientID, one.AccessionNumber = _NAME, _PATIENT_ID, _ACCESSION
    for keyword in ("SeriesInstanceUID", "StudyInstanceUID"):
        if keyword not in one:
            setattr(one, keyword, "1.2")
