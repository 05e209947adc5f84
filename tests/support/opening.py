"""A reader that opens its images in this process, without a child: quick, for honest objects."""

from dataclasses import replace
from pathlib import Path

from daemon.dicom.header import Header
from daemon.dicom.parse import read_header
from daemon.reading.analysis.single import Single
from daemon.reading.decoded import Decoded
from daemon.reading.decoding.film import decode
from daemon.reading.device.outputs import Network
from daemon.reading.meant import Meant
from daemon.reading.reader import Reader
from daemon.settings import Reading
from model.package import ModelPackage


def decode_here(file: Path) -> Decoded:
    """Decode as the child does."""
    return decode(file, 10**8)


def describe_here(file: Path, named: Header) -> Header:
    """Read a header as the child does."""
    return replace(
        read_header(file),
        sop_class_uid=named.sop_class_uid,
        sop_instance_uid=named.sop_instance_uid,
        study_uid=named.study_uid,
    )


def reader(package: ModelPackage, spool: Path, network: Network) -> Reader:
    """Return a reader over a spool; what it counts is forgotten."""
    return Reader(
        package=package,
        analysis=Single(package.manifest, network, package.manifest.findings),
        spool=spool,
        settings_digest="s",
        decode=decode_here,
        describe=describe_here,
        meant=Meant(package.manifest, Reading(), lambda _name: None),
    )
