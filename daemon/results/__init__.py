"""From a reading to DICOM objects: report and captures, validated, in the outbox.

`build.build_results` makes them, `outbox.write` checks and keeps them.
"""
