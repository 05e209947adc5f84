"""Pictures as Secondary Capture images (PS3.3 A.8.1), each tied to the images it shows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from daemon.identity import MANUFACTURER, PRODUCT
from daemon.records import Category, FindingScore, ImageReading
from daemon.results import codes
from daemon.results.annotate import annotated_copy
from daemon.results.frame import Framed, plain_copy
from daemon.results.header import (
    allowed_text,
    body_part,
    common_laterality,
    laterality_of,
    text_of,
)
from daemon.results.heat import heat_map
from daemon.results.instance import Basis, Place, new_instance, software_versions
from daemon.results.result import Kind, ResultObject
from daemon.results.sheet import Sheet
from daemon.results.summary import summary
from daemon.results.wording import image_label, leading

_DESCRIPTIONS = {
    Kind.SUMMARY: "AI summary - not for diagnostic use",
    Kind.ANNOTATED: "AI annotated copies - not for diagnostic use",
    Kind.HEAT_MAP: "AI heat maps - not for diagnostic use",
}
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")
_CALIBRATIONS = ("PixelSpacingCalibrationType", "PixelSpacingCalibrationDescription")


_AT_ONCE = 2
"""Pictures of one image that are drawn at the same time; each takes three bytes a pixel."""


@dataclass(frozen=True, eq=False)
class _Picture:
    """What is shown, of which sources, and what that is called."""

    sheet: Sheet
    sources: Sequence[Dataset]
    derivation: str


def build_captures(basis: Basis) -> list[ResultObject]:
    """Return the summary, and the copies and heat maps of the images that were analysed."""
    captures = [_summary(basis)]
    heat_maps: list[ResultObject] = []
    for number, (image, source) in enumerate(
        zip(basis.reading.images, basis.sources, strict=True), start=1
    ):
        if image.category is Category.NOT_ANALYSED or image.radiograph is None:
            continue
        plain_copy(image)
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # most of the work is done outside Python
            copy = pool.submit(_annotated, basis, image, source, number)
            shown = leading(image) if basis.report.heat_map else []
            maps = [
                pool.submit(_heat_map, basis, (image, source, number), score) for score in shown
            ]
        captures.append(copy.result())
        heat_maps += [made for one in maps if (made := one.result()) is not None]
    for count, drawn in enumerate(heat_maps, start=1):
        drawn.dataset.InstanceNumber = count
    return captures + heat_maps


def _summary(basis: Basis) -> ResultObject:
    picture = _Picture(summary(basis), basis.sources, "Summary of the AI reading of a study")
    return _capture(basis, _place(Kind.SUMMARY, 1, common_laterality(basis.sources)), picture)


def _annotated(basis: Basis, image: ImageReading, source: Dataset, number: int) -> ResultObject:
    side = laterality_of(source)
    place = _place(Kind.ANNOTATED, number, side, image.sop_instance_uid)
    drawn = annotated_copy(image, image_label(source, number, basis.say), basis)
    picture = _Picture(drawn.sheet, [source], "Windowed copy with outlined findings")
    result = _capture(basis, place, picture)
    _keep_geometry(result.dataset, source, drawn)
    return result


def _heat_map(
    basis: Basis,
    shown: tuple[ImageReading, Dataset, int],
    score: FindingScore,
) -> ResultObject | None:
    """Return the heat map of one finding, or nothing where there is no usable evidence."""
    image, source, number = shown
    drawn = heat_map(image, score, image_label(source, number, basis.say), basis)
    if drawn is None:
        return None
    name = (image.sop_instance_uid, score.finding)
    place = _place(Kind.HEAT_MAP, 1, laterality_of(source), *name)
    picture = _Picture(drawn.sheet, [source], "Windowed copy with Grad-CAM heat map")
    result = _capture(basis, place, picture)
    result.dataset.DerivationCodeSequence = [
        codes.code_item(codes.GRADIENT_WEIGHTED_CLASS_ACTIVATION)
    ]
    _keep_geometry(result.dataset, source, drawn)
    return result


def _place(kind: Kind, number: int, side: str | None, *name: str) -> Place:
    """Laterality belongs to a series (PS3.3 C.7.3.1): each side gets a series of its own."""
    return Place(
        kind=kind,
        sop_class=SecondaryCaptureImageStorage,
        modality="OT",
        description=_DESCRIPTIONS[kind],
        number=number,
        series=(side or "",),
        name=name,
    )


def _capture(basis: Basis, place: Place, picture: _Picture) -> ResultObject:
    dataset = new_instance(place, basis)
    first = picture.sources[0]
    dataset.Modality = text_of(first, "Modality") or place.modality
    body_part(dataset, first, place.series[0])
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = ""
    dataset.DerivationDescription = picture.derivation
    dataset.SourceImageSequence = [_reference(source) for source in picture.sources]
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    _add_device(dataset, basis)
    _add_compression_history(dataset, picture.sources)
    _add_pixels(dataset, picture.sheet)
    return ResultObject(place.kind, dataset)


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [codes.code_item(codes.SOURCE_IMAGE)]
    return item


def _add_device(dataset: Dataset, basis: Basis) -> None:
    """Add the SC Equipment module (PS3.3 C.8.6.1)."""
    dataset.ConversionType = "WSD"
    dataset.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    dataset.SecondaryCaptureDeviceManufacturerModelName = PRODUCT
    dataset.SecondaryCaptureDeviceSoftwareVersions = software_versions(basis.reading.model)
    dataset.DateOfSecondaryCapture = dataset.ContentDate
    dataset.TimeOfSecondaryCapture = dataset.ContentTime


def _add_compression_history(dataset: Dataset, sources: Sequence[Dataset]) -> None:
    """Repeat that a source was once compressed with loss: it stays true (PS3.3 C.7.6.1.1.5)."""
    lossy = [one for one in sources if text_of(one, "LossyImageCompression") == "01"]
    dataset.LossyImageCompression = "01" if lossy else "00"
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if lossy and lossy[0].get(keyword):
            setattr(dataset, keyword, lossy[0].get(keyword))


def _add_pixels(dataset: Dataset, sheet: Sheet) -> None:
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = sheet.height, sheet.width
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = sheet.finish()


def _is_spacing(value: Sequence[object] | None) -> bool:
    """Tell whether both values are there and above zero; some senders write "0.000"."""
    return value is not None and len(value) > 1 and all(float(str(part)) > 0 for part in value)


def _keep_geometry(dataset: Dataset, source: Dataset, drawn: Framed) -> None:
    """Keep the pixel size, so that a measurement on the copy gives what it gives on the source.

    Text around the image does not change it; a reduced copy has larger pixels. A capture has one
    attribute for it, the source may have two: the size at the detector serves where no other is
    known, then without a calibration (10.7.1).
    """
    spacings = ((one, source.get(one)) for one in _SPACINGS)
    usable = [(one, spacing) for one, spacing in spacings if _is_spacing(spacing)]
    if usable:
        keyword, spacing = usable[0]
        dataset.PixelSpacing = [f"{float(part) / drawn.scale:.10g}" for part in spacing]
        for name in _CALIBRATIONS if keyword == "PixelSpacing" else ():
            if text := allowed_text(source, name):
                setattr(dataset, name, text)
    elif ratio := source.get("PixelAspectRatio"):  # proportions are all that is known
        dataset.PixelAspectRatio = list(ratio)
    orientation = source.get("PatientOrientation")
    if orientation and len(orientation) > 1:
        dataset.PatientOrientation = list(orientation)
