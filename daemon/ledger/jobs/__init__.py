"""Jobs: a study is to be read.

queue      enqueue, claim, finish, fail
making     one job for each model; overtaken: those that are not read any more
leases     who holds jobs, and how lost ones come back
inputs     what a job is about: of each image the content that counts now
readings   what was read, as it is stored
standing   which results stand, what a new reading supersedes or withdraws
settle     what a finished job writes
decisions  what a person decides about a study
"""
