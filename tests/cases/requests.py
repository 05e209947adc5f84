"""Association requests as senders really write them: odd, and accepted by DCMTK and Orthanc."""

import struct
from collections.abc import Sequence

VERIFICATION, CR = b"1.2.840.10008.1.1", b"1.2.840.10008.5.1.4.1.1.1"
IMPLICIT, EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"
APPLICATION = b"1.2.840.10008.3.1.1.1"
FUJI, PHILIPS = b"1.2.392.200036.9125.1.1.2", b"1.3.46.670589.11.0.0.12.2"


def item(kind: int, value: bytes) -> bytes:
    """Return an item or sub-item (PS3.8 9.3.2)."""
    return struct.pack(">BBH", kind, 0, len(value)) + value


def context(number: int, abstract: bytes, syntaxes: Sequence[bytes], inside: bytes = b"") -> bytes:
    """Return a proposed presentation context; `inside` stands between its sub-items."""
    offered = b"".join(item(0x40, one) for one in syntaxes)
    return item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract) + inside + offered)


CONTEXTS = (context(1, VERIFICATION, [IMPLICIT]), context(3, CR, [EXPLICIT, IMPLICIT]))
USER = (item(0x51, struct.pack(">L", 16384)), item(0x52, b"1.2.826.0.1.3680043.10.999.1"))


def request(
    called: bytes = b"WRISTD",
    calling: bytes = b"MODALITY",
    contexts: Sequence[bytes] = CONTEXTS,
    user: Sequence[bytes] = USER,
    version: int = 1,
    before: bytes = b"",
) -> bytes:
    """Return an A-ASSOCIATE-RQ; `before` stands before its contexts."""
    body = struct.pack(">HH", version, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, APPLICATION) + before + b"".join(contexts) + item(0x50, b"".join(user))
    return struct.pack(">BBL", 1, 0, len(body)) + body


def _with(*more: bytes) -> bytes:
    return request(user=(*USER, *more))


def _and(*more: bytes) -> bytes:
    return request(contexts=(*CONTEXTS, *more))


def _role(uid: bytes, as_scu: int, as_scp: int) -> bytes:
    return item(0x54, struct.pack(">H", len(uid)) + uid + bytes((as_scu, as_scp)))


ACCEPTED = {
    "plain": request(),
    "titles padded with NUL": request(b"WRISTD".ljust(16, b"\0"), b"MODALITY".ljust(16, b"\0")),
    "called title, blank and NUL": request(called=b"WRISTD \0".ljust(16, b"\0")),
    "called title, something behind NUL": request(called=b"WRISTD\0GARBAGE"),
    "called title in small letters": request(called=b"wristd"),
    "calling title in Latin-1": request(calling=b"M\xfcLLER"),
    "calling title with a backslash": request(calling=b"A\\B"),
    "versions 1 and 2": request(version=3),
    "unknown variable item": request(before=item(0x77, b"abcd")),
    "unknown large item": request(before=item(0x99, b"x" * 20000)),
    "item of type 0": request(before=item(0, b"xx")),
    "unknown sub-item": _with(item(0xFF, b"")),
    "unknown item in a context": _and(context(5, CR, [EXPLICIT], item(0x77, b"abc"))),
    "version name of 40 characters": _with(item(0x55, b"A" * 40)),
    "version name in Latin-1": _with(item(0x55, b"M\xfcller")),
    "version name with a line feed": _with(item(0x55, b"V\n1")),
    "version name, empty": _with(item(0x55, b"")),
    "no implementation class": request(user=USER[:1]),
    "no maximum length": request(user=USER[1:]),
    "maximum length of no limit": request(user=(item(0x51, bytes(4)), USER[1])),
    "maximum length of 4 GB": request(user=(item(0x51, b"\xff" * 4), USER[1])),
    "asynchronous operations": _with(item(0x53, bytes(4))),
    "extended negotiation": _with(item(0x56, struct.pack(">H", len(CR)) + CR + b"\1" * 6)),
    "user identity": _with(item(0x58, b"\2\1\0\4user\0\4pass")),
    "both roles for storage": _with(_role(CR, 1, 1)),
    "role of an unknown class": _with(_role(b"1.2.3", 1, 1)),
    "even context numbers": request(
        contexts=(context(2, VERIFICATION, [IMPLICIT]), context(4, CR, [EXPLICIT]))
    ),
    "one context twice": _and(CONTEXTS[0]),
    "one number for two classes": request(
        contexts=(context(1, VERIFICATION, [IMPLICIT]), context(1, CR, [EXPLICIT]))
    ),
    "300 contexts": request(
        contexts=[context(number % 256, CR, [EXPLICIT]) for number in range(300)]
    ),
    "128 contexts of 48 syntaxes": request(
        contexts=[
            context(
                2 * number + 1,
                CR,
                [*(f"1.2.840.10008.1.2.4.{50 + one}".encode() for one in range(48)), IMPLICIT],
            )
            for number in range(128)
        ]
    ),
    "empty transfer syntax": _and(context(5, CR, [b""])),
    "one syntax twice": _and(context(5, CR, [IMPLICIT, IMPLICIT, EXPLICIT])),
    "UIDs padded with NUL": request(
        contexts=(context(1, VERIFICATION + b"\0", [IMPLICIT + b"\0"]),)
    ),
    "UIDs with something behind NUL": request(
        contexts=(context(1, VERIFICATION + b"\0ab", [IMPLICIT + b"\0ab"]),)
    ),
    "UID with leading zeros": _and(context(5, b"1.2.840.007.1", [IMPLICIT])),
    "private classes": _and(context(5, FUJI, [EXPLICIT]), context(7, PHILIPS, [IMPLICIT])),
    "big endian only": request(contexts=(context(1, CR, [b"1.2.840.10008.1.2.2"]),)),
    "a query only": request(contexts=(context(1, b"1.2.840.10008.5.1.4.1.2.2.1", [IMPLICIT]),)),
}
"""What DCMTK's storescp and Orthanc accept; a test asks them too."""
