"""Pictures, compressed without loss for a peer that takes them so; the outbox keeps them plain.

The same pixels under the same SOP Instance UID (PS3.5 A.4): only the transfer syntax differs.
"""

from pathlib import Path

import numpy as np
from pydicom import FileDataset, dcmread
from pydicom.uid import (
    UID,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from daemon.settings import DimseDestination

_SYNTAXES: dict[str, UID] = {
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "rle": RLELossless,
}
_ENCODERS = {JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg", RLELossless: "gdcm"}


def preferred_syntax(destination: DimseDestination, sop_class_uid: str) -> UID | None:
    """Return the compressed syntax that the settings want for a class; None for none."""
    if sop_class_uid != SecondaryCaptureImageStorage:
        return None
    return _SYNTAXES.get(destination.compression)


def compressed(file: Path, syntax: UID) -> FileDataset:
    """Return a picture of the outbox in a compressed syntax.

    Raises
    ------
    ValueError
        What was encoded does not decode to the same pixels.
    """
    picture = dcmread(file)
    plain = picture.pixel_array
    if syntax == JPEG2000Lossless:  # its reversible colour transform is what RGB compresses by
        picture.PhotometricInterpretation = "YBR_RCT"
    picture.compress(syntax, plain, encoding_plugin=_ENCODERS[syntax], generate_instance_uid=False)
    if not np.array_equal(picture.pixel_array, plain):
        raise ValueError("compression was not lossless")
    return picture
