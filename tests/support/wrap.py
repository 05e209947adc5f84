"""Folders of radiographs as DICOM studies: DICOM files as they are, PNG and JPEG wrapped as DX.

Two forms of ``manifest.csv`` are known beside PNG or JPEG files:

* wrists: ``file, patient_id, study_number, gender, age, laterality, projection, pixel_spacing``
  (the columns of GRAZPEDWRI-DX; projection 1 is PA, 2 lateral, 3 oblique); the images of one
  patient and study number are one study;
* chest films: ``file, patient``; every film is a study of its own.

Names and identifiers are invented. Wrap by hand: ``python -m tests.support.wrap FOLDER TARGET``.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from tests.support.objects import Exam, Patient, dx, save, uid
from tests.support.stored import Pixels

_VIEWS = {"1": "PA", "2": "LAT", "3": "OBL"}
_DEFAULT_CHEST_SPACING_MM = 0.8
"""The films come scaled down and without a spacing; a chest is about 300 mm wide."""
_FILM_YEAR = 2025


@dataclass(frozen=True)
class Study:
    """One study on disk, ready to be sent.

    `is_wrist` is the truth where it is known, whatever the header says.
    """

    study_uid: str
    title: str
    files: tuple[Path, ...]
    is_wrist: bool | None = None


def studies_in(
    folder: Path,
    target: Path,
    *,
    first: int = 0,
    limit: int | None = None,
    body_part: str | None = None,
) -> list[Study]:
    """Return the studies of a folder.

    Parameters
    ----------
    folder : Path
        DICOM files (any depth), or images with a ``manifest.csv``.
    target : Path
        Where wrapped files are written.
    first, limit : int, int or None
        At most `limit` studies, after leaving out the first ones.
    body_part : str or None
        Write this BodyPartExamined instead of the true one (wrapped images only).

    Raises
    ------
    FileNotFoundError
        There is no radiograph in the folder.
    """
    manifest = folder / "manifest.csv"
    rows = _rows(manifest) if manifest.exists() else []
    if rows and "projection" in rows[0]:
        found = _wrists(rows, folder, target, body_part or "WRIST")
    elif rows and "patient" in rows[0]:
        found = _chests(rows, folder, target, body_part or "CHEST")
    else:
        found = _dicom(folder)
    studies = list(islice(found, first, None if limit is None else first + limit))
    if not studies:
        raise FileNotFoundError(
            f"{folder}: neither DICOM files nor images with a manifest.csv (file, patient_id, "
            "study_number, gender, age, laterality, projection, pixel_spacing)"
        )
    return studies


def _wrists(
    rows: Iterable[Mapping[str, str]], folder: Path, target: Path, body_part: str
) -> Iterator[Study]:
    exams: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        exams[row["patient_id"], row["study_number"]].append(row)
    for (patient_id, study_number), images in exams.items():
        files = []
        exam = _wrist_exam(images[0], body_part)
        for number, row in enumerate(sorted(images, key=lambda one: one["projection"]), start=1):
            picture, pixels = grey(folder / row["file"])
            view = _VIEWS.get(row["projection"], "")
            name = target / f"wrist-{patient_id}-{study_number}-{number}.dcm"
            files.append(_save(name, picture, pixels, (view, exam, number)))
        title = f"wrist {patient_id}/{study_number}"
        yield Study(exam.study_uid, title, tuple(files), is_wrist=True)


def _wrist_exam(row: Mapping[str, str], body_part: str) -> Exam:
    side = row["laterality"] if row["laterality"] in ("L", "R") else ""
    return Exam(
        patient=_patient(f"W{row['patient_id']}", row["gender"], row["age"]),
        study=row["study_number"],
        body_part=body_part,
        laterality=side,  # type: ignore[arg-type]
        spacing_mm=float(row["pixel_spacing"]),
    )


def _chests(
    rows: Iterable[Mapping[str, str]], folder: Path, target: Path, body_part: str
) -> Iterator[Study]:
    for number, row in enumerate(rows, start=1):
        picture, pixels = grey(folder / row["file"])
        exam = Exam(
            patient=_patient(f"C{uid(row['patient'])[5:13]}", "", ""),
            study=row["file"],
            body_part=body_part,
            laterality="" if body_part == "CHEST" else "L",
            spacing_mm=_DEFAULT_CHEST_SPACING_MM,
            description="XR chest",
        )
        file = _save(target / f"chest-{number}.dcm", picture, pixels, ("PA", exam, 1))
        yield Study(exam.study_uid, f"chest {number}", (file,), is_wrist=False)


def _patient(key: str, sex: str, age: str) -> Patient:
    """Invent a patient; the age in years decides the year of birth."""
    years = int(float(age)) if age else None
    return Patient(
        name=f"FILM^{key}",
        patient_id=f"FILM-{key}",
        sex=sex if sex in ("M", "F") else "",  # type: ignore[arg-type]
        birth_date="" if years is None else f"{_FILM_YEAR - years}0101",
        age="" if years is None else f"{years:03}Y",
    )


def _save(
    file: Path, picture: NDArray[np.uint16], pixels: Pixels, shot: tuple[str, Exam, int]
) -> Path:
    view, exam, number = shot
    file.parent.mkdir(parents=True, exist_ok=True)
    return save(dx(picture, view, exam, pixels, number=number), file)


def grey(file: Path) -> tuple[NDArray[np.uint16], Pixels]:
    """Read an image as grey values; 16-bit files keep their 16 bits, all others have 8."""
    with Image.open(file) as image:
        if image.mode.startswith("I"):
            return np.asarray(image).astype(np.uint16), Pixels(bits=16)
        return np.asarray(image.convert("L")).astype(np.uint16), Pixels(bits=8)


def _dicom(folder: Path) -> Iterator[Study]:
    """Group the DICOM files of a folder by study; everything else is left alone."""
    grouped: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            header = dcmread(file, specific_tags=["StudyInstanceUID"])
            study_uid = str(header.StudyInstanceUID)
        except (InvalidDicomError, AttributeError):
            continue
        grouped[study_uid].append(file)
    for number, (study_uid, files) in enumerate(grouped.items(), start=1):
        yield Study(study_uid, f"study {number}", tuple(files))


def _rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    for study in studies_in(Path(sys.argv[1]), Path(sys.argv[2])):
        print(study.title, study.study_uid, *study.files)
