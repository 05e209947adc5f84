"""Pictures as Secondary Capture images (PS3.3 A.8.1), each tied to the images it shows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from daemon.dicom.header import Header
from daemon.dicom.values import decimal_text
from daemon.identity import MANUFACTURER, PRODUCT
from daemon.records import Category, FindingScore, ImageReading
from daemon.results.attempt import LeftOut, attempt, refuse
from daemon.results.document import codes
from daemon.results.document.inheritance import body_part, common_side, put
from daemon.results.document.instance import Basis, ResultPlace, new_instance, software_versions
from daemon.results.document.references import image_item
from daemon.results.picture.annotate import annotated_copy
from daemon.results.picture.frame import Framed, plain_copy
from daemon.results.picture.heat import heat_map
from daemon.results.picture.sheet import Sheet
from daemon.results.picture.summary import summary
from daemon.results.result import ResultKind, ResultObject
from daemon.results.wording import image_label, leading

_DESCRIPTIONS = {
    ResultKind.SUMMARY: "AI summary - not for diagnostic use",
    ResultKind.ANNOTATED: "AI annotated copies - not for diagnostic use",
    ResultKind.HEAT_MAP: "AI heat maps - not for diagnostic use",
}
_AT_ONCE = 2
"""Pictures of one image that are drawn at the same time; each takes three bytes a pixel."""

_Shown = tuple[int, ImageReading, Header]


@dataclass(frozen=True, eq=False)
class _Picture:
    """The pictures of a study: their content, source images and names."""

    sheet: Sheet
    headers: Sequence[Header]
    derivation: str


def build_captures(basis: Basis, left_out: LeftOut = refuse) -> list[ResultObject]:
    """Return the summary, and the copies and heat maps of the images that were analysed.

    `left_out` is told of those that cannot be made.
    """
    captures = [attempt(ResultKind.SUMMARY, partial(_summary, basis), left_out)]
    heat_maps: list[ResultObject] = []
    for shown in basis.numbered():
        image = shown[1]
        if image.category is Category.NOT_ANALYSED or image.radiograph is None:
            continue
        if attempt(ResultKind.ANNOTATED, partial(plain_copy, image), left_out) is None:
            continue
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # most of the work is done outside Python
            draw = partial(_annotated, basis, shown)
            copy = pool.submit(attempt, ResultKind.ANNOTATED, draw, left_out)
            maps = [
                pool.submit(
                    attempt, ResultKind.HEAT_MAP, partial(_heat_map, basis, shown, one), left_out
                )
                for one in (leading(image) if basis.report.heat_map else [])
            ]
        captures.append(copy.result())
        heat_maps += [made for one in maps if (made := one.result()) is not None]
    for count, drawn in enumerate(heat_maps, start=1):
        drawn.dataset.InstanceNumber = count
    return [made for made in captures if made is not None] + heat_maps


def _summary(basis: Basis) -> ResultObject:
    picture = _Picture(summary(basis), basis.headers, "Summary of the AI reading of a study")
    return _capture(basis, _place(ResultKind.SUMMARY, 1, common_side(basis.headers)), picture)


def _annotated(basis: Basis, shown: _Shown) -> ResultObject:
    number, image, header = shown
    place = _place(ResultKind.ANNOTATED, number, header.side, image.sop_instance_uid)
    drawn = annotated_copy(image, image_label(header, number, basis.say), basis)
    picture = _Picture(drawn.sheet, [header], "Windowed copy with outlined findings")
    result = _capture(basis, place, picture)
    _keep_geometry(result.dataset, header, drawn)
    return result


def _heat_map(basis: Basis, shown: _Shown, score: FindingScore) -> ResultObject | None:
    """Return the heat map of one finding, or nothing where there is no usable evidence."""
    number, image, header = shown
    drawn = heat_map(image, score, image_label(header, number, basis.say), basis)
    if drawn is None:
        return None
    name = (image.sop_instance_uid, score.finding)
    place = _place(ResultKind.HEAT_MAP, 1, header.side, *name)
    picture = _Picture(drawn.sheet, [header], "Windowed copy with Grad-CAM heat map")
    result = _capture(basis, place, picture)
    result.dataset.DerivationCodeSequence = [
        codes.code_item(codes.GRADIENT_WEIGHTED_CLASS_ACTIVATION)
    ]
    _keep_geometry(result.dataset, header, drawn)
    return result


def _place(kind: ResultKind, number: int, side: str | None, *name: str) -> ResultPlace:
    """Laterality belongs to a series (PS3.3 C.7.3.1): each side gets a series of its own."""
    return ResultPlace(
        kind=kind,
        sop_class=SecondaryCaptureImageStorage,
        modality="OT",
        description=_DESCRIPTIONS[kind],
        number=number,
        series=(side or "",),
        name=name,
    )


def _capture(basis: Basis, place: ResultPlace, picture: _Picture) -> ResultObject:
    dataset = new_instance(place, basis)
    first = picture.headers[0]
    dataset.Modality = first.modality or place.modality
    body_part(dataset, first, place.series[0])
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = ""
    dataset.DerivationDescription = picture.derivation
    dataset.SourceImageSequence = [_reference(header) for header in picture.headers]
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    _add_device(dataset, basis)
    _add_compression_history(dataset, picture.headers)
    _add_pixels(dataset, picture.sheet)
    return ResultObject(place.kind, dataset)


def _reference(header: Header) -> Dataset:
    item = image_item(header)
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


def _add_compression_history(dataset: Dataset, headers: Sequence[Header]) -> None:
    """Repeat that a source was once compressed with loss: it stays true (PS3.3 C.7.6.1.1.5)."""
    lossy = next((one for one in headers if one.lossy), None)
    dataset.LossyImageCompression = "01" if lossy else "00"
    if lossy is not None and lossy.lossy_ratios:
        dataset.LossyImageCompressionRatio = list(lossy.lossy_ratios)
    if lossy is not None and lossy.lossy_methods:
        dataset.LossyImageCompressionMethod = list(lossy.lossy_methods)


def _add_pixels(dataset: Dataset, sheet: Sheet) -> None:
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = sheet.height, sheet.width
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = sheet.finish()


def _keep_geometry(dataset: Dataset, header: Header, drawn: Framed) -> None:
    """Keep the pixel size, so that a measurement on the copy gives what it gives on the source.

    Text around the image does not change it; a reduced copy has larger pixels. A capture has one
    attribute for it, the source may have two: the size at the detector serves where no other is
    known, then without a calibration (10.7.1).
    """
    if header.spacing_mm is not None:
        dataset.PixelSpacing = [decimal_text(part / drawn.scale) for part in header.spacing_mm]
    elif header.aspect is not None and len(set(header.aspect)) > 1:  # all that is known
        dataset.PixelAspectRatio = list(header.aspect)
    calibration = header.calibration_type, header.calibration_description
    if header.pixel_spacing is not None and all(calibration):  # each needs the other
        dataset.PixelSpacingCalibrationType = header.calibration_type
        put(dataset, "PixelSpacingCalibrationDescription", header.calibration_description)
    if header.orientation is not None:
        dataset.PatientOrientation = list(header.orientation)
