"""What keeps the daemon going, and what a person asks of it.

sweep    assembly: what is complete becomes a job
leases    jobs of silent workers come back; by a stopwatch, as every wait
purge     what is settled and old goes, and old refused objects
vigil     is the ledger still the same one, was the clock set?
bells     the nightly bells (APScheduler)
offline   files read for a person, without a ledger
"""
