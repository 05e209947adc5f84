"""The words by which phantoms, calibrations and test exposures are known in headers."""

QUALITY_CONTROL_WORDS = (
    "PHANTOM",
    "QC",
    "QUALITY CONTROL",
    "QUALITY ASSURANCE",
    "CALIBRATION",
    "FLAT FIELD",
    "FLATFIELD",
    "TEST EXPOSURE",
    "TEST IMAGE",
    "TEST SHOT",
    "CONSTANCY TEST",
    "KONSTANZPR\u00dcFUNG",
    "KALIBRIERUNG",
    "PR\u00dcFK\u00d6RPER",
)
