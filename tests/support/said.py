"""What a few attributes say, as the decoding steps are handed it."""

from typing import Any

from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from daemon.dicom.attributes import Attributes
from daemon.dicom.source import Whole


def said(
    dataset: Dataset | None = None, syntax: UID = ExplicitVRLittleEndian, **values: Any
) -> Attributes:
    """Write attributes down, and read them as the daemon does."""
    written = Dataset() if dataset is None else dataset
    for keyword, value in values.items():
        setattr(written, keyword, value)
    data = encode(written, syntax.is_implicit_VR, syntax.is_little_endian)
    if data is None:
        raise ValueError("these attributes cannot be written")
    keywords = [element.keyword for element in written]
    return Attributes.of(Whole(data), syntax, keywords)


def table(entries: bytes, number: int, first: int, bits: int, kind: str = "US") -> Dataset:
    """Return an item with a lookup table, its entries as they are written."""
    item = Dataset()
    item.LUTDescriptor = [number, first, bits]
    item["LUTDescriptor"].VR = kind
    item.LUTData = entries + b"\0" * (len(entries) % 2)
    item["LUTData"].VR = "OW"
    return item
