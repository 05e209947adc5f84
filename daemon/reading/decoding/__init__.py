"""From a stored object to a radiograph, step by step, as the standard says (PS3.4 N.2).

::

    film          all the steps, in their order
    layout        what the header says of the pixel data, checked before a decoder sees them
    streams       the one compressed frame, and what it says of itself
    decoders      compressed frame -> samples, by a first and a second decoder
    packbits      RLE, written out
    samples       samples -> stored values (high bit, bits stored, sign)
    padding       pixels that carry no signal
    lookup_tables read, and values looked up
    modality      stored values -> modality values
    voi           windows and tables for viewing
    foreign       windows and tables that were made for other values
    processing    raw detector values

It runs in a child process with limits; see `daemon.reading.sandbox`.
"""
