"""Files read without a ledger and a network: `wristd read` (`docs/read.md`).

admission  files are found, opened, and judged as the receiver judges what comes
contents   of each image the content that counts, as the ledger has it; studies made of it
studies    a study from its images to its outcome and its result files
account    what `results.json` says
folder     where it goes: whole, or not there
"""
