"""Parts of the body by the defined terms of BodyPartExamined (PS3.16 Annex L).

A word that is none of them says nothing about what a film shows: sites write their own.
"""

from collections.abc import Mapping

# fmt: off
UNPAIRED = frozenset({
    "ABDOMEN", "ABDOMENPELVIS", "AORTA", "BACK", "BLADDER", "BRAIN", "CERVIX", "CHEST",
    "CHESTABDOMEN", "CHESTABDPELVIS", "CIRCLEOFWILLIS", "COCCYX", "COLON", "CSPINE", "CTSPINE",
    "DUODENUM", "ESOPHAGUS", "FACE", "GALLBLADDER", "HEAD", "HEADNECK", "HEART", "ILEUM", "JAW",
    "JEJUNUM", "LARYNX", "LIVER", "LSPINE", "LSSPINE", "MAXILLA", "MEDIASTINUM", "MOUTH", "NECK",
    "NECKCHEST", "NECKCHESTABDOMEN", "NECKCHESTABDPELV", "NOSE", "PANCREAS", "PELVIS", "PENIS",
    "PHARYNX", "PROSTATE", "RECTUM", "SKULL", "SPINE", "SPLEEN", "SSPINE", "STERNUM", "STOMACH",
    "THYROID", "TLSPINE", "TONGUE", "TRACHEA", "TSPINE", "UTERUS", "VAGINA", "VULVA", "WHOLEBODY",
})
"""Parts of which there is one: they have no Laterality."""

_UPPER_LIMB = frozenset({
    "ELBOW", "FINGER", "FOREARM", "HAND", "HUMERUS", "SHOULDER", "THUMB", "WRIST",
})
_LOWER_LIMB = frozenset({
    "ANKLE", "CALCANEUS", "CALF", "FEMUR", "FOOT", "HIP", "KNEE", "PATELLA", "THIGH", "TOE",
})
_PAIRED = frozenset({
    "ADRENAL", "AXILLA", "BREAST", "BRONCHUS", "BUTTOCK", "CAROTID", "CEREBELLUM", "CLAVICLE",
    "CORNEA", "CORONARYARTERY", "EAR", "EYE", "EYELID", "IAC", "ILIUM", "KIDNEY", "LUNG", "ORBIT",
    "OVARY", "PAROTID", "RIB", "SCAPULA", "SCLERA", "SCROTUM", "SUBMANDIBULAR", "TESTIS", "THYMUS",
    "TMJ", "URETER", "URETHRA", "ZYGOMA",
})
# fmt: on
_WIDER: Mapping[str, frozenset[str]] = {
    "ARM": _UPPER_LIMB,
    "LEG": _LOWER_LIMB,
    "EXTREMITY": _UPPER_LIMB | _LOWER_LIMB,
    "PELVISLOWEXTREMT": _LOWER_LIMB,
    "WHOLEBODY": _UPPER_LIMB | _LOWER_LIMB | _PAIRED | UNPAIRED,
}
"""Terms that hold others."""

DEFINED_TERMS = UNPAIRED | _PAIRED | _UPPER_LIMB | _LOWER_LIMB | frozenset(_WIDER)


def folded(word: str) -> str:
    """Return a word as it is compared: without regard to case and repeated blanks."""
    return " ".join(word.upper().split())


def contradicts(word: str, meant: tuple[str, ...], of_site: Mapping[str, str]) -> str | None:
    """Return the term by which a film shows another part of the body than is meant, or None.

    Parameters
    ----------
    word : str
        BodyPartExamined as it came; empty is no statement.
    meant : tuple of str
        Defined terms of the parts that are wanted.
    of_site : mapping
        The defined term of each of a site's own words, which are folded.
    """
    said = folded(word)
    term = of_site.get(said, said)
    if term not in DEFINED_TERMS or term in meant or _WIDER.get(term, frozenset()) & set(meant):
        return None
    return term
