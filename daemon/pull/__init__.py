"""Pull mode: ask archives for studies and fetch them as a batch, politely and resumably.

::

    fetcher.py -> criteria.py           which studies are wanted
         |-> dimse.py (C-FIND, C-MOVE, C-GET), dicomweb.py (QIDO-RS, WADO-RS)
         `-> night.py                   when to fetch without being asked
"""
