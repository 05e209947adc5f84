"""Films whose pixels or headers are odd, as devices, routers and conversions write them.

Every object names an invented patient whose name and ID hold a canary: no log may show it.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pydicom import DataElement, Dataset, FileDataset
from pydicom.datadict import dictionary_VR
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, DigitalXRayImageStorageForProcessing, JPEGLSLossless

from tests.support.encodings import encoded
from tests.support.objects import Exam, Patient, dx
from tests.support.phantoms import wrist
from tests.support.stored import Pixels

CANARIES = ("ZZPHI", "PHI-4711")
"""Parts of every patient's name and ID."""
PICTURES = {
    "quiet": lambda: np.rot90(wrist(spacing_mm=0.2)).copy(),
    "unsure": lambda: wrist("LAT", seed=2, spacing_mm=0.3),
    "broken": lambda: wrist("LAT", fracture=True, spacing_mm=0.3),
}
"""With operating points 0.3 and 0.7 the demo package calls them negative, doubt and positive."""
BODY_PARTS = (
    "HANDGELENK", "POIGNET", "MUNECA", "POLSO", "RANNE", "WRIST LEFT", "L WRIST", "WRISTS",
    "HAND/WRIST", "EXTREMITY", "UPPER EXTREMITY", "UP_EXM", "ARM", "UNKNOWN",
)  # fmt: skip
"""What stands there for a wrist."""
IN_EIGHT_BITS = "plain in eight bits"
_BYTES = np.linspace(0, 255, 4096).round()
"""A table of bytes for values of 12 bits: the identity, as far as bytes can tell."""
_ZEROS = "1.2.826.0.1.3680043.10.999.20250314.083015.007"
_DOSE, _DEPTH = 15000, 4.5
"""Of the film before its processing: the unattenuated dose, and the exponent of the brightest."""


@cache
def picture(name: str) -> NDArray[np.uint16]:
    """Return a drawn film by its name in `PICTURES`."""
    return PICTURES[name]()


def exam(study: str) -> Exam:
    """Return the study of this name, of a patient of its own."""
    slug = "-".join(study.upper().split())[:40]
    return Exam(Patient(f"ZZPHI^{slug}", f"PHI-4711-{slug}"), study=study)


def study_uid(study: str) -> str:
    """Return the Study Instance UID of the study of this name."""
    return f"{_ZEROS}.1" if study == "zeros StudyInstanceUID" else exam(study).study_uid


def film(study: str, of: str = "quiet", number: int = 1) -> FileDataset:
    """Return an ordinary film of a study."""
    return dx(picture(of), "PA" if of == "quiet" else "LAT", exam(study), number=number)


def with_values(one: FileDataset, **values: object) -> FileDataset:
    """Set attributes by keyword, whatever their VR allows."""
    for keyword, value in values.items():
        one.add(DataElement(keyword, dictionary_VR(keyword), value, validation_mode=0))
    return one


def odd_pixels() -> dict[str, FileDataset]:
    """Return one picture stored in odd ways, by study; all are to be read like the plain one."""
    return {name: change(film(name, "unsure")) for name, change in PIXEL_CHANGES.items()}


def in_eight_bits() -> FileDataset:
    """Return what a VOI LUT of bytes makes of the picture of `odd_pixels`, as a film of its own."""
    grey = _BYTES[picture("unsure")].astype(np.uint16)
    return dx(grey, "LAT", exam(IN_EIGHT_BITS), Pixels(bits=8))


def odd_headers() -> dict[str, FileDataset]:
    """Return films whose headers break a rule that costs nothing, by study."""
    return {
        study: with_values(film(study, of), **values)
        for name, values in HEADER_VALUES.items()
        for of in ("quiet", "broken")
        if (study := f"{name}, {of}")
    }


def raw(study: str, of: str, number: int = 1) -> FileDataset:
    """Return a film before its processing: DX for processing, linear in the dose, no window."""
    dose = 20 + _DOSE * np.exp(-_DEPTH * picture(of) / 4095)
    one = film(study, of, number)
    one.SOPClassUID = DigitalXRayImageStorageForProcessing
    one.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForProcessing
    one.PresentationIntentType = "FOR PROCESSING"
    one.PixelIntensityRelationship, one.PixelIntensityRelationshipSign = "LIN", 1
    one.BitsStored, one.HighBit, one.PhotometricInterpretation = 14, 13, "MONOCHROME1"
    one.PixelData = dose.astype("<u2").tobytes()
    del one.PresentationLUTShape, one.WindowCenter, one.WindowWidth
    return one


def of_body_part(word: str) -> FileDataset:
    """Return a wrist film whose body part is this word, and is not coded."""
    return with_values(film(f"part {word}"), BodyPartExamined=word, AnatomicRegionSequence=[])


def leading_zeros() -> dict[str, FileDataset]:
    """Return films with a UID that has a component ".007.", by study."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    made = {f"zeros {keyword}": film(f"zeros {keyword}") for keyword in keywords}
    for number, (keyword, one) in enumerate(zip(keywords, made.values(), strict=True), start=1):
        with_values(one, **{keyword: f"{_ZEROS}.{number}"})
    one.file_meta.MediaStorageSOPInstanceUID = UID(one.SOPInstanceUID)
    return made


def quality_control() -> dict[str, FileDataset]:
    """Return films that say in different places that no patient is on them."""
    places: dict[str, dict[str, object]] = {
        "flag": {"QualityControlImage": "YES"},
        "name": {"PatientName": "ZZPHI PHANTOM^QC"},
        "description": {"SeriesDescription": "Constancy test, phantom, wrist technique"},
    }
    return {
        place: with_values(film(f"quality control {place}", "broken"), **values)
        for place, values in places.items()
    }


def narrow() -> dict[str, FileDataset]:
    """Return films that are too small to show anything, by their size."""
    sizes = {"2 x 2": (2, 2), "3 x 20000": (3, 20000)}
    return {
        name: dx(np.arange(rows * columns, dtype=np.uint16).reshape(rows, columns) % 4096,
                 exam=exam(f"narrow {name}"))
        for name, (rows, columns) in sizes.items()
    }  # fmt: skip


def _left_justified(one: FileDataset) -> FileDataset:
    words = np.frombuffer(one.PixelData, "<u2") << 4
    return with_values(one, HighBit=15, PixelData=words.astype("<u2").tobytes())


def _with_table(one: FileDataset, kind: str) -> FileDataset:
    """Put a VOI LUT of 4096 bytes, the identity, in place of the window."""
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 8])
    table.add_new("LUTData", "OW", _BYTES.astype(kind).tobytes())
    del one.WindowCenter, one.WindowWidth
    return with_values(one, VOILUTSequence=[table])


def _padded_stream(one: FileDataset) -> FileDataset:
    """Compress; behind the end of the image (EOI) stand zeros, within its fragment."""
    packed = encoded(one, JPEGLSLossless)
    stream = get_frame(packed.PixelData, 0, number_of_frames=1).rstrip(b"\0")
    packed.PixelData = encapsulate([stream + bytes(200 + len(stream) % 2)])
    return packed


PIXEL_CHANGES = {
    "plain": lambda one: one,
    "twelve bits at the upper end": _left_justified,
    "table of bytes in words": lambda one: _with_table(one, "<u2"),
    "table of packed bytes": lambda one: _with_table(one, "u1"),
    "window of eight bits": lambda one: with_values(one, WindowCenter=127, WindowWidth=255),
    "empty function of the window": lambda one: with_values(one, VOILUTFunction=""),
    "spacing of one value": lambda one: with_values(one, PixelSpacing="0.144"),
    "zeros behind the end of the image": _padded_stream,
}
"""How one picture is stored, by study."""
HEADER_VALUES: dict[str, dict[str, object]] = {
    "detector spacing of one value": {"ImagerPixelSpacing": "0.2"},
    "detector spacing of three values": {"ImagerPixelSpacing": ["0.2", "0.2", "0.2"]},
    "time zone without a sign": {"TimezoneOffsetFromUTC": "0500"},
    "long ratio of compression": {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "13.3321805467261829",
        "LossyImageCompressionMethod": "ISO_10918_1",
    },
    "method of compression in small letters": {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "13.33",
        "LossyImageCompressionMethod": "iso_10918_1",
    },
}
"""What breaks a rule, by name."""
