"""Lengths and packed floats of a protobuf message, in its bytes: nothing is made of the floats one by one.

Servers send them one by one all the same (1.16.3 does); a message that was read and is written again has them packed.
"""

_PACKED_FIRST = 0x0A
"""How a message begins whose field 1 is packed. All that hold the floats of a vector are made so."""


def packed_floats(message: bytes) -> tuple[int, int]:
    """Where the floats of field 1 begin in a serialised message, and how many bytes they take; 0 bytes for none."""
    if not message or message[0] != _PACKED_FIRST:
        return 0, 0
    octets, at = number_at(message, 1)
    return at, octets


def varint(number: int) -> bytes:
    """A number that is not negative: seven bits a byte, the lowest first."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def number_at(message: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where it ends."""
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte <= 0x7F:
            return number, at
