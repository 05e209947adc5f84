"""What breaks a rule where it may hurt: representations, control characters, deflated bombs."""

import zlib
from collections.abc import Iterator
from dataclasses import replace

from pydicom import DataElement, FileDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from daemon.intake.store.admit import Offer
from tests.benchmarks.blast import associate_rq
from tests.cases.films import film, with_values
from tests.support.receiving import raw

FORGED = "INFO daemon: forged"
"""The line that a forger wants to see in the log."""
ZEROS = 480 << 20
"""Bytes to which a bomb inflates."""
_VIEW_CODES, _REGIONS = 0x00540220, 0x00082218
_CHARACTER_SET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192"
_PRIVATE_CREATOR = b"\xdf\x7f\x10\x00LO\x04\x00BOMB"
_PRIVATE_OB = b"\xdf\x7f\x00\x10OB\x00\x00" + ZEROS.to_bytes(4, "little")
_PIXEL_DATA = b"\xe0\x7f\x10\x00O"
_CHUNK = bytes(1 << 20)


def wrong_representations() -> dict[str, FileDataset | Offer]:
    """Return films of which one attribute has another VR than its own."""
    return {
        "view codes as text": _with_text("view codes as text", _VIEW_CODES),
        "regions as text": _with_text("regions as text", _REGIONS),
        "character set as numbers": _character_set_as_numbers(),
    }


def control_characters() -> dict[str, FileDataset]:
    """Return films that would write lines of their own into a log."""
    name = with_values(film("line feed in the name"), PatientName=f"ZZPHI^AN\n{FORGED}")
    photometric = f"ZZPHI\n{FORGED}"
    return {
        "line feed in the name": name,
        "line feed in the photometric interpretation": with_values(
            film("line feed in the photometric interpretation"),
            PhotometricInterpretation=photometric,
        ),
    }


def forged_requests() -> Iterator[bytes]:
    """Give association requests whose AE titles hold control characters."""
    contexts = {("1.2.840.10008.1.1", "1.2.840.10008.1.2"): 1}
    plain = associate_rq("WRISTD", contexts, "FORGER")
    for title in (f"X\n{FORGED}".encode()[:16], b"\x1b[2J\x1b[H"):
        yield plain.replace(b"WRISTD".ljust(16), title.ljust(16))
        yield plain.replace(b"FORGER".ljust(16), title.ljust(16))


def bombs(number: int) -> dict[str, Offer]:
    """Return small deflated objects that inflate to `ZEROS`; every other one has no pixel data."""
    zeros = _deflated_zeros()
    made = {}
    for index in range(number):
        study = f"bomb {index}"
        made[study] = _bomb(raw(film(study, "unsure")), zeros, index % 2 == 0)
    return made


def _bomb(offer: Offer, zeros: bytes, has_pixels: bool) -> Offer:
    head, mark, pixels = bytes(offer.data_set).partition(_PIXEL_DATA)
    tail = mark + pixels if has_pixels else b""
    stream = _deflated(head + _PRIVATE_CREATOR + _PRIVATE_OB) + zeros
    return replace(
        offer,
        transfer_syntax=DeflatedExplicitVRLittleEndian,
        data_set=stream + _deflated(tail, zlib.Z_FINISH),
    )


def _deflated(data: bytes, end: int = zlib.Z_FULL_FLUSH) -> bytes:
    """Deflate a part of a stream: what follows may be deflated on its own."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush(end)


def _deflated_zeros() -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [deflater.compress(_CHUNK) for _ in range(ZEROS // len(_CHUNK))]
    return b"".join([*pieces, deflater.flush(zlib.Z_FULL_FLUSH)])


def _with_text(study: str, tag: int) -> FileDataset:
    one = film(study)
    del one[tag]
    one.add(DataElement(tag, "LO", "x"))
    return one


def _character_set_as_numbers() -> Offer:
    """Return a film whose Specific Character Set has the VR FL, and ten bytes: no whole number."""
    offer = raw(film("character set as numbers"))
    changed = offer.data_set.replace(_CHARACTER_SET, _CHARACTER_SET.replace(b"CS", b"FL"), 1)
    return replace(offer, data_set=changed)
