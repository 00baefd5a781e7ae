"""Packed floats of a protobuf message, found in its bytes: nothing is made of them one by one.

Servers send them one by one all the same (1.16.3 does); a message that was read and is written again has them packed.
"""

_PACKED_FIRST = 0x0A
"""How a message begins whose field 1 is packed. All that hold the floats of a vector are made so."""


def packed_floats(message: bytes) -> tuple[int, int]:
    """Where the floats of field 1 begin in a serialised message, and how many bytes they take; 0 bytes for none."""
    if not message or message[0] != _PACKED_FIRST:
        return 0, 0
    octets, at = message[1], 2
    if octets > 0x7F:  # the length goes on, seven bits a byte
        octets, shift, more = octets & 0x7F, 7, True
        while more:
            byte = message[at]
            octets |= (byte & 0x7F) << shift
            more = byte > 0x7F
            at, shift = at + 1, shift + 7
    return at, octets
