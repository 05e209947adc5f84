"""Pull mode: ask archives for studies and fetch them as a batch, politely and resumably.

::

    fetch.py -> criteria.py             which studies are wanted
         |-> dimse.py (C-FIND, C-MOVE, C-GET), web.py (QIDO-RS, WADO-RS)
         `-> night.py                   when to fetch without being asked
"""
