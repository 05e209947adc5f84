"""What the daemon remembers: studies, instances, jobs, results, deliveries, counters.

tables      the schema; states: of its rows
schema      the schema of a database is brought up to date, by migrations (Alembic)
ledger      opening the database, and what intake and operators ask of it
arrivals    recording what arrives
jobs        what is to be read, by whom, and what came of it
hosts       where files lie, and who else works on the ledger
waits       what waits for a moment, and when that has come
sameness    is it still the ledger that it was? trouble: what a database's errors mean
deliveries  due, settled, postponed, parked
withdrawals which results stand, and the note that rejects them
commitments what destinations promise to keep
promises    what peers asked us to keep
pulls       studies to be fetched from archives
retention   which files may go
overview    what a person asks; standing_alerts: what a person should look at
"""
