"""Which way the X-rays went: every defined view (PS3.16 CID 4010, PS3.3 C.8.1.1.1), each once."""

from typing import Literal, NamedTuple

from daemon.dicom.coded import CodedValue

View = Literal["PA", "AP", "LAT", "OBL"]


class _Row(NamedTuple):
    """A view: its SNOMED CT code, the SRT code of before, and what kind of view it is."""

    code: str
    srt: str
    meaning: str
    view: View | None
    """None where it is none of the four."""


_ROWS = (
    _Row("272479007", "R-40888", "postero-anterior", "PA"),
    _Row("399348003", "R-10206", "antero-posterior", "AP"),
    _Row("399067008", "R-102CD", "lateral", "LAT"),
    _Row("399173006", "R-10236", "left lateral", "LAT"),
    _Row("399198007", "R-10232", "right lateral", "LAT"),
    _Row("399352003", "R-10228", "lateral-medial", "LAT"),
    _Row("399260004", "R-10224", "medial-lateral", "LAT"),
    _Row("399182000", "R-102C1", "oblique", "OBL"),
    _Row("399312000", "R-10208", "antero-posterior oblique", "OBL"),
    _Row("399059000", "R-10216", "postero-anterior oblique", "OBL"),
    _Row("399160007", "R-10204", "frontal oblique", "OBL"),
    _Row("260427002", "R-40783", "lateral oblique", "OBL"),
    _Row("260426006", "R-40782", "medial oblique", "OBL"),
    _Row("399099002", "R-10230", "latero-medial oblique", "OBL"),
    _Row("399368009", "R-10226", "medio-lateral oblique", "OBL"),
    _Row("399135007", "R-10220", "left anterior oblique", "OBL"),
    _Row("399006002", "R-10212", "left posterior oblique", "OBL"),
    _Row("399356000", "R-40985", "right anterior oblique", "OBL"),
    _Row("399038007", "R-10210", "right posterior oblique", "OBL"),
    _Row("399184004", "R-10238", "left oblique", "OBL"),
    _Row("399236003", "R-10234", "right oblique", "OBL"),
    _Row("399033003", "R-10202", "frontal", None),
    _Row("30730003", "G-A145", "Sagittal", None),
    _Row("399061009", "R-10241", "axial", None),
    _Row("399004004", "R-10246", "oblique axial", None),
    _Row("399132005", "R-10252", "frontal-oblique axial", None),
    _Row("399325008", "R-10254", "sagittal-oblique axial", None),
    _Row("399196006", "R-10244", "caudo-cranial", None),
    _Row("399162004", "R-10242", "cranio-caudal", None),
    _Row("399225005", "R-10250", "oblique caudo-cranial", None),
    _Row("399288005", "R-10248", "oblique cranio-caudal", None),
    _Row("399335002", "R-102C4", "dorsoplantar", None),
    _Row("399071006", "R-102C3", "plantodorsal", None),
    _Row("399242004", "R-102C6", "acanthioparietal", None),
    _Row("399272005", "R-102C5", "parietoacanthial", None),
    _Row("399351005", "R-102C7", "orbitoparietal", None),
    _Row("399316002", "R-102C8", "parieto-orbital", None),
    _Row("399255003", "R-10256", "submentovertical", None),
    _Row("399360002", "R-10257", "verticosubmental", None),
    _Row("399110001", "R-102C2", "tangential", None),
    _Row("260499007", "R-40810", "Occlusal projection", None),
    _Row("119376003", "G-8300", "tissue specimen", None),
)
_POSITIONS = {
    "PA": "272479007",
    "AP": "399348003",
    "LL": "399173006",
    "RL": "399198007",
    "LAT": "399067008",
    "LATERAL": "399067008",
    "OBL": "399182000",
    "OBLIQUE": "399182000",
    "LLO": "399184004",
    "RLO": "399236003",
    "LAO": "399135007",
    "RAO": "399356000",
    "LPO": "399006002",
    "RPO": "399038007",
}
"""Values of ViewPosition (0018,5101) that name one view; RLD and LLD name how the patient lies."""

_BY_CODE = {row.code: row for row in _ROWS} | {row.srt: row for row in _ROWS}
_BY_CODE["R-10214"] = _BY_CODE["272479007"]  # postero-anterior in editions before 2007


def view_of_code(value: str) -> View | None:
    """Return the kind of view that a code of CID 4010 stands for, SNOMED CT or SRT."""
    row = _BY_CODE.get(value)
    return None if row is None else row.view


def code_of_code(value: str) -> CodedValue | None:
    """Return a code of CID 4010 as SNOMED CT."""
    return _coded(_BY_CODE.get(value))


def view_of_position(value: str) -> View | None:
    """Return the kind of view that a value of ViewPosition stands for."""
    row = _BY_CODE.get(_POSITIONS.get(value.upper(), ""))
    return None if row is None else row.view


def code_of_position(value: str) -> CodedValue | None:
    """Return a value of ViewPosition as a code of CID 4010."""
    return _coded(_BY_CODE.get(_POSITIONS.get(value.upper(), "")))


def _coded(row: _Row | None) -> CodedValue | None:
    return None if row is None else CodedValue(row.code, "SCT", row.meaning)
