"""The vocabulary of findings: one name, one code, one display text for each.

Codes are SNOMED CT concepts that DICOM itself lists in its context groups (PS3.16), so that they
may be used without a further licence. A finding for which DICOM lists no concept gets a private
code of scheme ``99WRISTD``, declared in the CodingSchemeIdentificationSequence of every report.
"""

from dataclasses import dataclass

PRIVATE_SCHEME = "99WRISTD"


@dataclass(frozen=True)
class CodedTerm:
    """One coded concept (PS3.3 section 8): value, scheme designator, meaning (<= 64 characters)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Finding:
    """One thing a network can report.

    Attributes
    ----------
    name : str
        The key used in manifests, tables and logs: lower case, no spaces.
    display : str
        What a reader sees.
    code : CodedTerm
        What a machine reads.
    """

    name: str
    display: str
    code: CodedTerm


NO_FINDING = "no_finding"
"""Class name for the absence of every finding; never itself reported as a finding."""

FINDINGS: dict[str, Finding] = {
    finding.name: finding
    for finding in (
        Finding("fracture", "Fracture", CodedTerm("125605004", "SCT", "Fracture of bone")),
        Finding("metal", "Metal", CodedTerm("40388003", "SCT", "Implant")),
        Finding("softtissue", "Soft tissue swelling", CodedTerm("65124004", "SCT", "Swelling")),
        Finding("foreignbody", "Foreign body", CodedTerm("19227008", "SCT", "Foreign body")),
        Finding(
            "boneanomaly", "Bone anomaly", CodedTerm("boneanomaly", PRIVATE_SCHEME, "Bone anomaly")
        ),
        Finding(
            "bonelesion", "Bone lesion", CodedTerm("bonelesion", PRIVATE_SCHEME, "Bone lesion")
        ),
        Finding(
            "periostealreaction",
            "Periosteal reaction",
            CodedTerm("periostealreact", PRIVATE_SCHEME, "Periosteal reaction"),
        ),
        Finding(
            "pronatorsign",
            "Pronator sign",
            CodedTerm("pronatorsign", PRIVATE_SCHEME, "Pronator quadratus sign"),
        ),
        Finding("abnormality", "Abnormality", CodedTerm("263654008", "SCT", "Abnormal")),
        Finding("pneumonia", "Pneumonia", CodedTerm("pneumonia", PRIVATE_SCHEME, "Pneumonia")),
        Finding(
            "bacterial_pneumonia",
            "Bacterial pneumonia",
            CodedTerm("bactpneumonia", PRIVATE_SCHEME, "Bacterial pneumonia"),
        ),
        Finding(
            "viral_pneumonia",
            "Viral pneumonia",
            CodedTerm("viralpneumonia", PRIVATE_SCHEME, "Viral pneumonia"),
        ),
        Finding("covid_19", "COVID-19", CodedTerm("covid19", PRIVATE_SCHEME, "COVID-19")),
        Finding(
            "lung_opacity", "Lung opacity", CodedTerm("lungopacity", PRIVATE_SCHEME, "Lung opacity")
        ),
    )
}
"""Every finding a model package may name, in the order in which reports list them."""
