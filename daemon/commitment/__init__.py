"""Storage commitment, both ways (PS3.4 annex J): nobody deletes what nobody else keeps.

::

    keeper.py -> transaction.py  peers ask us: note, answer, report later
    asker.py  -> transaction.py  we ask destinations about what they took
    answers.py                   what reaches our listening port: requests and reports
"""
