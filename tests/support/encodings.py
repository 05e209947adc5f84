"""The same object in every transfer syntax that is read."""

import tempfile
from pathlib import Path

import gdcm
import numpy as np
from pydicom import FileDataset, dcmread
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from tests.support.objects import save

LOSSLESS_SYNTAXES: tuple[UID, ...] = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)
"""The picture is the same in each."""
LOSSY_SYNTAXES: tuple[UID, ...] = (
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
    JPEG2000,
)
"""The picture is nearly the same in each; for 12-bit JPEG there is no encoder here, only 8 bits."""
EIGHT_BITS_ONLY = (JPEGBaseline8Bit, JPEGExtended12Bit)

_PLUGINS = {RLELossless: "gdcm", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}
_GDCM = {
    JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGBaseline8Bit: gdcm.TransferSyntax.JPEGBaselineProcess1,
    JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    JPEG2000: gdcm.TransferSyntax.JPEG2000,
    JPEGLSNearLossless: gdcm.TransferSyntax.JPEGLSNearLossless,
}


def encoded(dataset: FileDataset, syntax: UID) -> FileDataset:
    """Return a copy in another transfer syntax, with the same instance UID."""
    with tempfile.TemporaryDirectory() as folder:
        copy = dcmread(save(dataset, Path(folder) / "copy.dcm"))
        copy.PixelData = bytes(copy.PixelData)
        if syntax in _GDCM:
            return _by_gdcm(copy, syntax, Path(folder))
    if syntax in _PLUGINS:
        copy.compress(syntax, encoding_plugin=_PLUGINS[syntax], generate_instance_uid=False)
        return copy
    if syntax == ExplicitVRBigEndian:
        return _big_endian(copy)
    copy.file_meta.TransferSyntaxUID = syntax
    return copy


def frame_in(dataset: FileDataset) -> bytes:
    """Return the one compressed frame of an object."""
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def with_frame(dataset: FileDataset, frame: bytes, fragments: int = 1) -> FileDataset:
    """Put another compressed frame in the object's place, in so many fragments."""
    dataset.PixelData = encapsulate([frame], fragments_per_frame=fragments)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _big_endian(dataset: FileDataset) -> FileDataset:
    """Swap the words of the pixel data; pydicom swaps everything else as it writes."""
    swapped = FileDataset(
        "", {}, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=False
    )
    for element in dataset:
        swapped.add(element)
    swapped.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    swapped["PixelData"].VR = "OW"
    swapped.file_meta = dataset.file_meta
    swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return swapped


def _by_gdcm(dataset: FileDataset, syntax: UID, folder: Path) -> FileDataset:
    """Compress with GDCM, which writes what no other encoder here can."""
    source, target = save(dataset, folder / "in.dcm"), folder / "out.dcm"
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    if not reader.Read():
        raise ValueError("GDCM cannot read the object")
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(_GDCM[syntax]))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise ValueError("GDCM cannot compress the object")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise ValueError("GDCM cannot write the object")
    dataset.file_meta.TransferSyntaxUID = syntax
    return with_frame(dataset, frame_in(dcmread(target)))
