"""A reading of nobody: what is made of it holds all that a positive study's results hold."""

from datetime import datetime

import numpy as np
from pydicom.uid import DigitalXRayImageStorageForPresentation

from daemon.dicom.header import Header
from daemon.records import Category, FindingScore, ImageReading, ModelIdentity, StudyReading
from model.pixels import Placement, Radiograph

_SIDE = 64
_CELLS = 8


def example(model: ModelIdentity, now: datetime) -> StudyReading:
    """Return a positive reading of one small image."""
    header = Header(DigitalXRayImageStorageForPresentation, "2.25.1", "2.25.2")
    slope = np.linspace(0.0, 1.0, _SIDE * _SIDE, dtype=np.float32).reshape(_SIDE, _SIDE)
    evidence = np.zeros((_CELLS, _CELLS), np.float32)
    evidence[2:5, 3:6] = 1.0
    image = ImageReading(
        header.sop_instance_uid,
        Category.POSITIVE,
        scores=(FindingScore("fracture", 0.9, Category.POSITIVE, 0.3, 0.7),),
        evidence={"fracture": evidence},
        radiograph=Radiograph(slope),
        placement=Placement(1.0, 1.0, 0.0, 0.0, _SIDE, _SIDE),
        input_size=_SIDE,
        header=header,
    )
    return StudyReading(header.study_uid, Category.POSITIVE, None, (image,), model, "", now)
