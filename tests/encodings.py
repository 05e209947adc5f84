"""The same object in every lossless transfer syntax for which an encoder is installed."""

import tempfile
from pathlib import Path

import gdcm
import numpy as np
from pydicom import FileDataset, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.objects import save

LOSSLESS_SYNTAXES: tuple[UID, ...] = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)
"""Every transfer syntax that `encoded` can write; the picture is the same in each."""

_PLUGINS = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}


def encoded(dataset: FileDataset, syntax: UID) -> FileDataset:
    """Return a copy in another transfer syntax (one of `LOSSLESS_SYNTAXES`), same instance UID."""
    with tempfile.TemporaryDirectory() as folder:
        copy = dcmread(save(dataset, Path(folder) / "copy.dcm"))
        copy.PixelData = bytes(copy.PixelData)
        if syntax == JPEGLosslessSV1:
            return _gdcm_lossless(copy, Path(folder))
    if syntax in _PLUGINS:
        copy.compress(syntax, encoding_plugin=_PLUGINS[syntax], generate_instance_uid=False)
        return copy
    if syntax == ExplicitVRBigEndian:
        return _big_endian(copy)
    copy.file_meta.TransferSyntaxUID = syntax
    return copy


def _big_endian(dataset: FileDataset) -> FileDataset:
    """Swap the words of the pixel data; pydicom swaps everything else as it writes."""
    swapped = FileDataset(
        "", {}, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=False
    )
    for element in dataset:
        swapped.add(element)
    if dataset.BitsAllocated == 16:
        swapped.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    swapped.file_meta = dataset.file_meta
    swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    return swapped


def _gdcm_lossless(dataset: FileDataset, folder: Path) -> FileDataset:
    """Compress with JPEG lossless, first-order prediction; only GDCM can."""
    source, target = save(dataset, folder / "in.dcm"), folder / "out.dcm"
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    if not reader.Read():
        raise ValueError("GDCM cannot read the object")
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    if not change.Change():
        raise ValueError("GDCM cannot compress the object")
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    if not writer.Write():
        raise ValueError("GDCM cannot write the object")
    compressed = dcmread(target)
    dataset.PixelData = compressed.PixelData
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    return dataset
