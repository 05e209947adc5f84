"""The outlines of one image as a Grayscale Softcopy Presentation State (PS3.3 A.33.1).

The same graphics as on the annotated copy, but on the original image and in a layer of their own,
so that a reader can switch them off. Grey values stay as the source's sender meant them.
"""

from collections.abc import Sequence
from functools import partial

from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from daemon.dicom.grey import Grey
from daemon.dicom.header import Header
from daemon.dicom.values import decimal_text
from daemon.records import Category, ImageReading
from daemon.results.attempt import LeftOut, attempt, refuse
from daemon.results.document.inheritance import body_part, put
from daemon.results.document.instance import Basis, ResultPlace, new_instance
from daemon.results.document.references import image_item, series_of
from daemon.results.picture.annotate import head_lines
from daemon.results.picture.luts import add_grey
from daemon.results.region import Box, size_of
from daemon.results.result import ResultKind, ResultObject
from daemon.results.wording import BANNER, image_label

_LAYER = "AI RESULT"
_TEXT_AT = (0.01, 0.01, 0.5)
"""Left and top of the text and its right end, as shares of the display."""

_LINE_HEIGHT = 0.03
_SHADOW = {"ShadowStyle": "OFF", "ShadowOffsetX": 0.0, "ShadowOffsetY": 0.0, "ShadowOpacity": 0.0}
_BLACK = [0, 32896, 32896]
_WHITE = [65535, 32896, 32896]
"""PCS values (CIELab, PS3.3 C.10.7.1.1)."""


def presentation_states(basis: Basis, left_out: LeftOut = refuse) -> list[ResultObject]:
    """Return one presentation state for each analysed image of which it is known how it is shown.

    `left_out` is told of those that cannot be made.
    """
    states = [
        attempt(
            ResultKind.PRESENTATION, partial(_state, basis, image, image.grey, number), left_out
        )
        for number, image, _header in basis.numbered()
        if image.category is not Category.NOT_ANALYSED and image.grey is not None
    ]
    return [state for state in states if state is not None]


def _state(basis: Basis, image: ImageReading, grey: Grey, number: int) -> ResultObject:
    header = basis.headers[number - 1]
    side = header.side
    place = ResultPlace(
        kind=ResultKind.PRESENTATION,
        sop_class=GrayscaleSoftcopyPresentationStateStorage,
        modality="PR",
        description="AI outlines - not for diagnostic use",
        number=number,
        series=(side or "",),
        name=(image.sop_instance_uid,),
    )
    state = new_instance(place, basis)
    body_part(state, header, side)
    state.ContentLabel = "AI_RESULT"
    state.ContentDescription = f"AI outlines, image {image_label(header, number)}"[:64]
    state.ContentCreatorName = "AI^WRISTD"
    state.PresentationCreationDate = state.ContentDate
    state.PresentationCreationTime = state.ContentTime
    del state.ContentDate, state.ContentTime
    # DCMTK's dcmpschk 3.6.7 takes no DT with an offset; InstanceCreationTime is in the same zone.
    state.ContributingEquipmentSequence[0].ContributionDateTime = f"{basis.when:%Y%m%d%H%M%S}"
    state.ReferencedSeriesSequence = [_series(header)]
    state.DisplayedAreaSelectionSequence = [_displayed_area(image, header)]
    state.GraphicLayerSequence = [_layer()]
    state.GraphicAnnotationSequence = [_annotation(basis, image, header)]
    add_grey(state, grey)
    return ResultObject(place.kind, state)


def _series(header: Header) -> Dataset:
    item = Dataset()
    put(item, "SeriesInstanceUID", series_of(header))
    item.ReferencedImageSequence = [image_item(header)]
    return item


def _displayed_area(image: ImageReading, header: Header) -> Dataset:
    """Show the whole image, its pixels in the source's proportions (C.10.4).

    Raises
    ------
    ValueError
        Nobody knows how large the image is.
    """
    size = size_of(image)
    if size is None:
        raise ValueError("the image's size is not known")
    item = Dataset()
    item.ReferencedImageSequence = [image_item(header)]
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [size[1], size[0]]
    item.PresentationSizeMode = "SCALE TO FIT"
    if header.spacing_mm is not None:
        item.PresentationPixelSpacing = [decimal_text(part) for part in header.spacing_mm]
    else:
        item.PresentationPixelAspectRatio = list(header.aspect or (1, 1))
    return item


def _layer() -> Dataset:
    item = Dataset()
    item.GraphicLayer = _LAYER
    item.GraphicLayerOrder = 1
    item.GraphicLayerDescription = BANNER
    return item


def _annotation(basis: Basis, image: ImageReading, header: Header) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = [image_item(header)]
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
