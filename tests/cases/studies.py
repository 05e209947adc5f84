"""Studies whose images disagree about the patient, or come again with another one."""

from pydicom import FileDataset

from tests.cases.films import film, raw, with_values

CORRECTED, MENDED, BOTH_FORMS = "corrected", "mended", "both forms"
TEMPORARY, KNOWN = ("ZZPHI^UNKNOWN", "PHI-4711-TEMP-77"), ("ZZPHI^ASTA", "PHI-4711-P-1001")
"""Name and ID, as the first exposure got them and as the archive has them now."""

_FAMILY = "ZZPHI"
SAME_NAMES = {
    "suffix": (f"{_FAMILY}^ASTA", f"{_FAMILY}^ASTA^^^JR"),
    "middle name": (f"{_FAMILY}^ASTA^MARIA", f"{_FAMILY}^ASTA"),
}
"""Spellings that name one patient."""
UNLIKE_NAMES = {
    "umlaut written out": (f"{_FAMILY} M\u00dcLLER^J\u00dcRGEN", f"{_FAMILY} MUELLER^JUERGEN"),
    "without a caret": (f"{_FAMILY}^ASTA", f"{_FAMILY} ASTA"),
}
"""Spellings of which only a person can say that they name one patient."""


def corrected(patient: tuple[str, str]) -> FileDataset:
    """Return the film of the corrected study under one of its two patients; the UIDs stay."""
    return _of(film(CORRECTED), patient)


def mended() -> tuple[list[FileDataset], FileDataset]:
    """Return two films of one study with two patients, and the second one put right."""
    mine, other = ("ZZPHI^NGOZI", "PHI-4711-P-2001"), ("ZZPHI^RUNE", "PHI-4711-P-2999")
    first = _of(film(MENDED), mine)
    return [first, _of(film(MENDED, number=2), other)], _of(film(MENDED, number=2), mine)


def spelt(study: str, names: tuple[str, str]) -> list[FileDataset]:
    """Return two films of one study, with the patient's name spelt in two ways."""
    return [
        with_values(film(study, number=number), PatientName=name)
        for number, name in enumerate(names, start=1)
    ]


def without_character_set(study: str) -> list[FileDataset]:
    """Return two films with one name in UTF-8; the second one does not say that it is UTF-8."""
    name = f"{_FAMILY} M\u00dcLLER^J\u00dcRGEN"
    as_one_byte_each = name.encode().decode("latin-1")
    told, untold = spelt(study, (name, as_one_byte_each))
    del untold.SpecificCharacterSet
    return [told, untold]


def both_forms() -> list[FileDataset]:
    """Return one exposure as it was measured, and as it is to be looked at."""
    return [raw(BOTH_FORMS, "quiet"), film(BOTH_FORMS, number=2)]


def _of(one: FileDataset, patient: tuple[str, str]) -> FileDataset:
    return with_values(one, PatientName=patient[0], PatientID=patient[1])
