"""Data sets written element by element, legal or not, as bytes (PS3.5 7.1)."""

import struct
from collections.abc import Sequence
from pathlib import Path

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import UID, ExplicitVRLittleEndian

from daemon.intake.store.admit import Announced
from daemon.intake.store.part10 import file_start

_LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")


def element(keyword: str, value: bytes, vr: str = "") -> bytes:
    """Return an element in Explicit VR Little Endian, with the VR of PS3.6 or another one."""
    tag = tag_for_keyword(keyword)
    assert tag is not None
    vr = vr or dictionary_VR(keyword)[:2]
    value += b"\0" * (len(value) % 2)
    start = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in _LONG:
        return start + struct.pack("<HL", 0, len(value)) + value
    return start + struct.pack("<H", len(value)) + value


def text(keyword: str, value: str, vr: str = "", encoding: str = "utf-8") -> bytes:
    """Return an element that holds a text, padded with a blank."""
    encoded = value.encode(encoding)
    return element(keyword, encoded + b" " * (len(encoded) % 2), vr)


def sequence(keyword: str, items: Sequence[bytes]) -> bytes:
    """Return a sequence whose items have defined lengths."""
    held = b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return element(keyword, held)


def write(file: Path, data_set: bytes, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a data set as the file that the receiver would make of it."""
    announced = Announced("1.2.840.10008.5.1.4.1.1.1", "1.2.3", syntax)
    file.write_bytes(file_start(announced) + data_set)
    return file
