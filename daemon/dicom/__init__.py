"""What a stored object says: each fact in one place, and nothing that a peer sent can raise.

::

    elements    a data set's elements, stepped over without being decoded
    attributes  the values of those that we read, each on its own: a bad one says nothing
    header      everything about an image but its pixels, as one plain record
    views, body_parts, names    what the standard's terms mean
    grey        how stored values become grey values, as a plain record
    syntaxes    transfer syntaxes: which are taken, and what decodes them

`header.read_header` runs in the decoder's child process; the record that it gives travels on, and
no other room parses the object again.
"""
