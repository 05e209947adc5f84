"""Whatever a header says, every object made from it is valid: drawn headers, drawn greys."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import Comprehensive3DSRStorage

from daemon import outcome
from daemon.dicom.grey import Grey, Rescale, Table, Window
from daemon.dicom.parse import read_header
from daemon.records import Category, ImageReading, Note, PredecessorObject, Reason
from daemon.results.build import build_results
from daemon.results.document.withdrawal import Why, rejection_note
from daemon.results.last_resort import last_resort
from daemon.results.outbox import write
from daemon.settings import ReportSettings
from model.package import FindingSpec
from model.pixels import Radiograph, prepare
from tests.support.readings import PROFILE, READ_AT, bump, study_reading
from tests.support.strategies import files, uids, write_file
from tests.support.tools import tool

EXAMPLES = int(os.environ.get("WRISTD_EXAMPLES", "200"))
SIDE = 64
PICTURE = np.add.outer(np.arange(SIDE), np.arange(SIDE)).astype(np.float32)
SPEC = FindingSpec(name="fracture", class_index=0, high_sensitivity=0.3, high_specificity=0.7)
SETTINGS = ReportSettings(presentation_state=True)
REJECTED = [PredecessorObject(Comprehensive3DSRStorage, "2.25.1", "2.25.2")]


def numbers(least=-1e9, most=1e9):
    return st.floats(least, most, allow_nan=False)


@st.composite
def tables(draw, least_bits=8):
    bits = draw(st.integers(least_bits, 16))
    count = draw(st.sampled_from((2, 255, 256, 4096, 40_000, 65_536)))
    first = draw(st.sampled_from((0, 1, -1, -2048, -32768, 1000, 65535)))
    top = draw(st.integers(2 ** (bits - 2), 2**bits - 1))
    return Table(first, bits, tuple(np.linspace(0, top, count).astype(int).tolist()))


def greys():
    slopes = numbers().filter(bool)
    rescales = st.builds(Rescale, slopes, numbers(), st.sampled_from(("US", "HU", "OD", "X" * 99)))
    functions = st.sampled_from(("LINEAR", "LINEAR_EXACT", "SIGMOID"))
    windows = st.builds(Window, numbers(), numbers(1.0), functions)
    return st.builds(
        Grey,
        st.one_of(st.none(), rescales, tables()),
        st.one_of(st.none(), windows, tables()),
        st.booleans(),
    )


@st.composite
def images(draw, study_uid):
    with tempfile.TemporaryDirectory() as folder:
        header = read_header(write_file(draw(files(study_uid)), Path(folder)))
    read = ImageReading(
        header.sop_instance_uid, Category.NOT_ANALYSED, draw(st.sampled_from(Reason)), header=header
    )
    probability = draw(st.sampled_from((None, 0.9, 0.5, 0.1)))
    if probability is None:
        return read
    score = outcome.judge(SPEC, probability)
    radiograph = Radiograph(PICTURE, spacing_mm=header.spacing_mm)
    return replace(
        read,
        category=score.category,
        reason=None,
        scores=(score,),
        evidence={"fracture": bump(0.5, 0.5)},
        radiograph=radiograph,
        placement=prepare(radiograph, PROFILE)[1],
        input_size=PROFILE.size,
        grey=draw(greys()),
        notes=tuple(draw(st.sets(st.sampled_from(Note), max_size=2))),
    )


@st.composite
def readings(draw):
    study_uid = draw(uids())
    chosen = draw(st.lists(images(study_uid), min_size=1, max_size=2, unique_by=_uid))
    disagreements = draw(st.sampled_from(((), ("PatientName",))))
    return replace(study_reading(chosen), study_uid=study_uid, disagreements=disagreements)


def _uid(image):
    return image.sop_instance_uid


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(readings())
def test_whatever_a_header_says_every_object_is_valid_and_no_last_resort_is_needed(reading):
    if tool("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed")
    header = replace(reading.images[0].header, study_uid=reading.study_uid)
    objects = build_results(reading, SETTINGS)
    objects.append(rejection_note(header, REJECTED, Why.QUALITY, READ_AT, 9001))
    objects.append(last_resort(reading, Comprehensive3DSRStorage, (), 9001))
    with tempfile.TemporaryDirectory() as folder:
        assert len(write(objects, Path(folder), reading.study_uid)) == len(objects)
