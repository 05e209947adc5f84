"""What the daemon remembers: studies, instances, jobs, results, deliveries, counters.

tables      the schema
ledger      opening the database, and what intake and operators ask of it
arrivals    recording what arrives
queue       jobs: enqueue, claim, finish, fail; overtaken: those that are not read any more
leases      who holds jobs, and how lost ones come back
waits       what waits for a moment, and when that has come
sameness    is it still the ledger that it was? trouble: what a database's errors mean
inputs      what a job is about: of each image the content that counts now
holding     where files lie; places: the hosts that share a ledger; adoption: what a dead one leaves
standing    which results stand, what a new reading supersedes or withdraws
settle      what a finished job writes
deliveries  due, settled, postponed, parked
commitments what destinations promise to keep
promises    what peers asked us to keep
retention   which files may go
decisions   what a person decides about a study
overview    what a person asks
migrations  Alembic
"""
