"""The coded concepts that results use; all standard ones stand in PS3.16, Annexes B and D."""

from pydicom import Dataset
from pydicom.sr.coding import Code

from daemon.dicom.coded import CodedValue
from daemon.records import Category, Reason
from model.findings import PRIVATE_SCHEME, CodedTerm

PRIVATE_SCHEME_NAME = "wristd private codes"

ENGLISH = Code("en", "RFC5646", "English")
NO_UNITS = Code("1", "UCUM", "no units")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
MILLIMETRE = Code("mm", "UCUM", "mm")

ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
PROBABILITY = Code("122157", "DCM", "Probability")
NORMALITY = Code("121402", "DCM", "Normality")
SUMMARY_OF_ANALYSES = Code("111065", "DCM", "Summary of Analyses")
IMPRESSION = Code("121073", "DCM", "Impression")
COMMENT = Code("121106", "DCM", "Comment")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
SOURCE = Code("260753009", "SCT", "Source")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
GRADIENT_WEIGHTED_CLASS_ACTIVATION = Code("130403", "DCM", "Gradient-weighted class activation")
ANY_RADIOGRAPHY = Code("43468-8", "LN", "XR unspecified body region")

SITES = {
    "WRIST": Code("74670003", "SCT", "Wrist joint"),
    "HAND": Code("85562004", "SCT", "Hand"),
    "FINGER": Code("7569003", "SCT", "Finger"),
    "THUMB": Code("76505004", "SCT", "Thumb"),
    "FOREARM": Code("14975008", "SCT", "Forearm"),
}
"""CID 4009, by BodyPartExamined (PS3.16 Annex L)."""

LEFT = Code("7771000", "SCT", "Left")
RIGHT = Code("24028007", "SCT", "Right")
SIDES = {"L": LEFT, "R": RIGHT}

NORMALITIES = {
    Category.POSITIVE: Code("263654008", "SCT", "Abnormal"),
    Category.DOUBT: Code("371934000", "SCT", "Normality Undetermined"),
    Category.NEGATIVE: Code("17621005", "SCT", "Normal"),
}
"""CID 222; an image that was not analysed has none."""

ALL_SUCCEEDED_WITH_FINDINGS = Code("111242", "DCM", "All algorithms succeeded; with findings")
ALL_SUCCEEDED_WITHOUT_FINDINGS = Code("111241", "DCM", "All algorithms succeeded; without findings")
NOT_ALL_SUCCEEDED_WITH_FINDINGS = Code(
    "111244", "DCM", "Not all algorithms succeeded; with findings"
)
NOT_ALL_SUCCEEDED_WITHOUT_FINDINGS = Code(
    "111243", "DCM", "Not all algorithms succeeded; without findings"
)
NONE_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")

CATEGORY = Code("category", PRIVATE_SCHEME, "AI category")
CATEGORIES = {
    Category.POSITIVE: Code("positive", PRIVATE_SCHEME, "Positive"),
    Category.DOUBT: Code("doubt", PRIVATE_SCHEME, "Doubt"),
    Category.NEGATIVE: Code("negative", PRIVATE_SCHEME, "Negative"),
    Category.NOT_ANALYSED: Code("notanalysed", PRIVATE_SCHEME, "Not analysed"),
}

REASON = Code("reason", PRIVATE_SCHEME, "Reason for not being analysed")
REASONS = {
    reason: Code(reason.name.lower().replace("_", "")[:16], PRIVATE_SCHEME, reason.capitalize())
    for reason in Reason
}


def code_of(term: CodedTerm | CodedValue) -> Code:
    """Return the code of a finding, or of what a header says."""
    return Code(term.value, term.scheme, term.meaning)


def code_item(code: Code) -> Dataset:
    """Return an item of a code sequence (PS3.3 section 8)."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def private_scheme_item() -> Dataset:
    """Return the item that declares our coding scheme (PS3.3 C.12.1.1.17)."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE_SCHEME
    item.CodingSchemeName = PRIVATE_SCHEME_NAME
    item.CodingSchemeResponsibleOrganization = "wristd project"
    return item
