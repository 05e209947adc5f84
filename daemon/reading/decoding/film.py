"""A stored object -> a radiograph, or the reason why it cannot be read."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.attributes import Attributes
from daemon.dicom.file import DicomFile, NotDicom
from daemon.dicom.grey import Grey
from daemon.dicom.parse import KEYWORDS, header_of
from daemon.dicom.source import Unreadable
from daemon.dicom.syntaxes import CODINGS, Family
from daemon.dicom.views import View
from daemon.reading.decoded import Decoded
from daemon.reading.decoding import layout as layouts
from daemon.reading.decoding import modality, padding, processing, voi
from daemon.reading.decoding.decoders import samples_of
from daemon.reading.decoding.layout import Layout, layout_of
from daemon.reading.decoding.samples import Integers, native_samples, stored_values
from daemon.reading.decoding.streams import frame_of
from daemon.reading.refused import NotReadable
from daemon.reasons import Note, Reason
from model.pixels import Radiograph

_KEYWORDS = (
    *KEYWORDS, *layouts.KEYWORDS, *padding.KEYWORDS, *modality.KEYWORDS, *voi.KEYWORDS,
    *processing.KEYWORDS, "PresentationLUTShape",
)  # fmt: skip
_BYTES_A_PIXEL, _SLACK = 2, 1 << 20
_SAMPLE = 1 << 18
"""Pixels that are enough to judge a window by."""
_VIEWS: dict[View, Literal["PA", "LAT", "OBL"]] = {
    "PA": "PA",
    "AP": "PA",
    "LAT": "LAT",
    "OBL": "OBL",
}

_Grey = tuple[NDArray[np.float32], Grey, tuple[Note, ...]]


def decode(file: Path, max_pixels: int) -> Decoded:
    """Read a stored object whole.

    Parameters
    ----------
    file : Path
    max_pixels : int
        Images with more rows times columns are not decoded.

    Raises
    ------
    NotReadable
        With the reason.
    OSError
        The file is not to be had.
    """
    try:
        return _decoded(DicomFile(file), max_pixels)
    except (NotDicom, Unreadable) as error:
        raise NotReadable(Reason.UNREADABLE, str(error)) from error


def _decoded(file: DicomFile, max_pixels: int) -> Decoded:
    said = file.attributes(_KEYWORDS, max_value_bytes=_BYTES_A_PIXEL * max_pixels + _SLACK)
    header = header_of(said)
    layout = layout_of(said, header, max_pixels)
    stored, second = _stored(file, said, layout)
    mask = padding.padding_of(stored, said, layout)
    if header.for_processing:
        values, grey, notes = _raw_values(stored, said, layout)
    else:
        values, grey, notes = _presented_values(stored, said, layout, mask)
    radiograph = Radiograph(
        values=np.ascontiguousarray(values),
        inverted=grey.inverted,
        spacing_mm=header.spacing_mm,
        aspect=header.aspect[0] / header.aspect[1] if header.aspect else 1.0,
        padding=mask,
        laterality=header.side,
        view=_VIEWS[header.view] if header.view else None,
    )
    of_pixels = {Note.BITS_LEFT_OUT: layout.corrected, Note.SECOND_DECODER: second}
    return Decoded(
        radiograph, grey, (*notes, *(note for note, holds in of_pixels.items() if holds))
    )


def _stored(file: DicomFile, said: Attributes, layout: Layout) -> tuple[Integers, bool]:
    """Return the stored values, and whether the second decoder read them."""
    coding, value = CODINGS.get(file.syntax), said.bytes_of("PixelData")
    if coding is None or value is None:
        raise NotReadable(Reason.UNREADABLE, "the transfer syntax is not read")
    second = False
    if coding.family is Family.NATIVE:
        swapped = said.order == ">" and said.vr_of("PixelData") == "OW"
        samples = native_samples(value, layout, said.order, swapped=swapped)
    else:
        samples, second = samples_of(frame_of(value), file.syntax, layout)
    return stored_values(samples, layout, lossy=coding.lossy), second


def _presented_values(
    stored: Integers,
    said: Attributes,
    layout: Layout,
    mask: NDArray[np.bool_] | None,
) -> _Grey:
    """Modality LUT, then VOI LUT (PS3.4 N.2)."""
    chosen = modality.modality_of(said, signed=layout.signed)
    values = modality.modality_values(stored, chosen)
    view, notes = voi.voi_of(said, _sampled(values, mask))
    if modality.is_left_out(said, chosen):
        notes = (Note.MODALITY_LEFT_OUT, *notes)
    return voi.viewed(values, view), Grey(chosen, view, _is_inverted(said, layout)), notes


def _raw_values(stored: Integers, said: Attributes, layout: Layout) -> _Grey:
    """Values for processing: after a logarithm where they are linear, never through a window."""
    raw = processing.raw_of(said, inverted=_is_inverted(said, layout))
    grey = Grey(inverted=raw.growing)
    if raw.linear:
        return processing.logarithm(stored, layout, raw), grey, (Note.LOGARITHM,)
    return stored.astype(np.float32), grey, ()


def _is_inverted(said: Attributes, layout: Layout) -> bool:
    """MONOCHROME1 and PresentationLUTShape INVERSE say the same thing (PS3.3 C.8.11.3)."""
    return layout.monochrome1 or said.text("PresentationLUTShape").upper() == "INVERSE"


def _sampled(values: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return the values of some of the pixels that carry signal, evenly spread."""
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    some = values[::step, ::step]
    if mask is None or mask[::step, ::step].all():
        return some.ravel()
    return some[~mask[::step, ::step]]
