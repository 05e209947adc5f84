"""The outlines of one image as a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

The same graphics as on the annotated copy, but on the original image and in a layer of their own,
so that a reader can switch them off. Grey values stay as the source's sender meant them.
"""

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from daemon.records import Category, ImageReading
from daemon.results.annotate import head_lines
from daemon.results.header import body_part, laterality_of, text_of
from daemon.results.instance import Basis, Place, new_instance
from daemon.results.region import Box
from daemon.results.result import Kind, ResultObject
from daemon.results.wording import BANNER, image_label

_LAYER = "AI RESULT"
_TEXT_AT = (0.01, 0.01, 0.5)
"""Left and top of the text and its right end, as shares of the display."""

_LINE_HEIGHT = 0.03
_SHADOW = {"ShadowStyle": "OFF", "ShadowOffsetX": 0.0, "ShadowOffsetY": 0.0, "ShadowOpacity": 0.0}
_BLACK = [0, 32896, 32896]
_WHITE = [65535, 32896, 32896]
"""PCS values (CIELab, PS3.3 C.10.7.1.1)."""

_RESCALE = ("RescaleIntercept", "RescaleSlope")
_WINDOW = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction")
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing")


def presentation_states(basis: Basis) -> list[ResultObject]:
    """Return one presentation state for each analysed image."""
    return [
        _state(basis, image, source, number)
        for number, (image, source) in enumerate(
            zip(basis.reading.images, basis.sources, strict=True), start=1
        )
        if image.category is not Category.NOT_ANALYSED and image.radiograph is not None
    ]


def _state(basis: Basis, image: ImageReading, source: Dataset, number: int) -> ResultObject:
    side = laterality_of(source)
    place = Place(
        kind=Kind.PRESENTATION,
        sop_class=GrayscaleSoftcopyPresentationStateStorage,
        modality="PR",
        description="AI outlines - not for diagnostic use",
        number=number,
        series=(side or "",),
        name=(image.sop_instance_uid,),
    )
    state = new_instance(place, basis)
    body_part(state, source, side)
    state.ContentLabel = "AI_RESULT"
    state.ContentDescription = f"AI outlines, image {image_label(source, number)}"[:64]
    state.ContentCreatorName = "AI^WRISTD"
    state.PresentationCreationDate = state.ContentDate
    state.PresentationCreationTime = state.ContentTime
    del state.ContentDate, state.ContentTime
    # DCMTK's dcmpschk 3.6.7 takes no DT with an offset; InstanceCreationTime is in the same zone.
    state.ContributingEquipmentSequence[0].ContributionDateTime = f"{basis.when:%Y%m%d%H%M%S}"
    state.ReferencedSeriesSequence = [_series(source)]
    state.DisplayedAreaSelectionSequence = [_displayed_area(source)]
    state.GraphicLayerSequence = [_layer()]
    state.GraphicAnnotationSequence = [_annotation(basis, image, source)]
    _keep_grey(state, source)
    return ResultObject(place.kind, state)


def _series(source: Dataset) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = source.SeriesInstanceUID
    item.ReferencedImageSequence = [_image(source)]
    return item


def _image(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    return item


def _displayed_area(source: Dataset) -> Dataset:
    """Show the whole image, its pixels in the source's proportions (C.10.4)."""
    item = Dataset()
    item.ReferencedImageSequence = [_image(source)]
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [int(source.Columns), int(source.Rows)]
    item.PresentationSizeMode = "SCALE TO FIT"
    spacing = next((source.get(one) for one in _SPACINGS if source.get(one)), None)
    if spacing is not None and len(spacing) > 1 and all(float(part) > 0 for part in spacing):
        item.PresentationPixelSpacing = [f"{float(part):.10g}" for part in spacing]
    else:
        item.PresentationPixelAspectRatio = list(source.get("PixelAspectRatio") or (1, 1))
    return item


def _layer() -> Dataset:
    item = Dataset()
    item.GraphicLayer = _LAYER
    item.GraphicLayerOrder = 1
    item.GraphicLayerDescription = BANNER
    return item


def _annotation(basis: Basis, image: ImageReading, source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = [_image(source)]
    item.GraphicLayer = _LAYER
    say = basis.say
    lines = [f"{line.subject}: {line.detail}" for line in head_lines(image, say)]
    item.TextObjectSequence = [_text([*lines, say(BANNER)])]
    graphics = [
        _outline(box, score.category) for score, box in basis.outlined(image) if box is not None
    ]
    if graphics:
        item.GraphicObjectSequence = graphics
    return item


def _text(lines: Sequence[str]) -> Dataset:
    """Write in the upper left corner of the display, not of the image."""
    left, top, right = _TEXT_AT
    item = Dataset()
    item.BoundingBoxAnnotationUnits = "DISPLAY"
    item.BoundingBoxTopLeftHandCorner = [left, top]
    item.BoundingBoxBottomRightHandCorner = [right, top + _LINE_HEIGHT * len(lines)]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    item.UnformattedTextValue = "\r\n".join(lines)
    return item


def _outline(box: Box, category: Category) -> Dataset:
    """Return a closed polyline: solid for positive, dashed for doubt (C.10.5.1.2)."""
    item = Dataset()
    item.GraphicAnnotationUnits = "PIXEL"
    item.GraphicDimensions = 2
    corners = box.corners()
    item.NumberOfGraphicPoints = len(corners)
    item.GraphicData = [float(value) for value in corners.ravel()]
    item.GraphicType = "POLYLINE"
    item.GraphicFilled = "N"
    item.LineStyleSequence = [_line_style(category)]
    return item


def _line_style(category: Category) -> Dataset:
    dashed = category is Category.DOUBT
    item = Dataset()
    item.PatternOnColorCIELabValue = _WHITE
    if dashed:
        item.PatternOffColorCIELabValue = _BLACK
        item.PatternOffOpacity = 0.0
    item.PatternOnOpacity = 1.0
    item.LineThickness = 2.0
    item.LineDashingStyle = "DASHED" if dashed else "SOLID"
    if dashed:
        item.LinePattern = 0x00FF
    for keyword, value in _SHADOW.items():
        setattr(item, keyword, value)
    item.ShadowColorCIELabValue = _BLACK
    return item


def _keep_grey(state: Dataset, source: Dataset) -> None:
    """Copy the grey pipeline: modality LUT, VOI LUT, polarity (C.11.1, C.11.8, C.11.6).

    A presentation state replaces all three of the image; what it leaves out would be lost.
    """
    if "ModalityLUTSequence" in source:
        state.ModalityLUTSequence = source.ModalityLUTSequence
    elif all(keyword in source for keyword in _RESCALE):
        for keyword in _RESCALE:
            setattr(state, keyword, source.get(keyword))
        state.RescaleType = text_of(source, "RescaleType") or "US"
    voi = _voi(source)
    if len(voi):
        state.SoftcopyVOILUTSequence = [voi]
    inverse = text_of(source, "PhotometricInterpretation") == "MONOCHROME1"
    state.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"


def _voi(source: Dataset) -> Dataset:
    item = Dataset()
    if "VOILUTSequence" in source:
        item.VOILUTSequence = source.VOILUTSequence
    elif source.get("WindowCenter") is not None and source.get("WindowWidth") is not None:
        for keyword in _WINDOW:
            if source.get(keyword):
                setattr(item, keyword, source.get(keyword))
    return item
