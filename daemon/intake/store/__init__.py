"""A C-STORE, from its command to Success: all of it is on the disk, or none.

::

    incoming.py                                 one object, piece by piece
      |-> admit.py                              may it come in, and what is it?
      |-> disk.py, spool.py, quarantine.py      the file, whole or not at all; part10: its head
      `-> commit.py                             name and row durable; then Success
    counts.py                                   what came, for the operator
"""
