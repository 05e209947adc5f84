"""Whether headers speak of one patient and one study: what differs is held, never merged."""

from collections.abc import Sequence
from itertools import combinations

from daemon.dicom.header import Header
from daemon.dicom.names import same_name


def disagreements(headers: Sequence[Header]) -> list[str]:
    """Name the identifying attributes in which headers contradict each other.

    An empty value contradicts nothing: many devices leave out what they were not told. Names are
    compared by the rules of `daemon.dicom.names`.

    Parameters
    ----------
    headers : sequence of Header

    Returns
    -------
    list of str
        Keywords; never values.
    """
    said = {
        "PatientID": {one.patient_id for one in headers},
        "IssuerOfPatientID": {one.issuer_of_patient_id for one in headers},
        "PatientBirthDate": {one.birth_date for one in headers},
        "StudyInstanceUID": {one.study_uid for one in headers},
    }
    found = [keyword for keyword, values in said.items() if len(values - {""}) > 1]
    names = {one.patient_name for one in headers}
    if not all(same_name(one, other) for one, other in combinations(names, 2)):
        found.append("PatientName")
    return found


def issued_under(headers: Sequence[Header]) -> Header:
    """Return the header whose patient and study identity the results of a study bear.

    The first that has a PatientID, else the first.

    Raises
    ------
    ValueError
        There is no header.
    """
    if not headers:
        raise ValueError("results need at least one header")
    return next((one for one in headers if one.patient_id), headers[0])
