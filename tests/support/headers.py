"""The header record of a test object, read as the decoder reads that of a stored file."""

import tempfile
from pathlib import Path

from pydicom import FileDataset

from daemon.dicom.header import Header
from daemon.dicom.parse import read_header
from tests.support.objects import save


def header_of(dataset: FileDataset) -> Header:
    """Return what a test object says."""
    with tempfile.TemporaryDirectory() as folder:
        return read_header(save(dataset, Path(folder) / "object.dcm"))
