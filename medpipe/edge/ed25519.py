"""Whether an Ed25519 signature fits, in plain Python: a folder at the edge has no cryptography.

It only verifies, so there is no secret whose timing could tell; one signature takes some
milliseconds. Held against the library that signs in the tests.

References
----------
RFC 8032, sections 5.1.1 to 5.1.4 (points and their sum) and 5.1.7 (verification).
"""

from __future__ import annotations

import hashlib

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_SIGN = 1 << 255
Point = tuple[int, int, int, int]
"""Extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, x·y = T/Z."""
_NEUTRAL: Point = (0, 1, 1, 0)


def fits(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner of the key `public` (32 bytes) made `signature` (64) for `message`."""
    key, commitment = _point(public), _point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or key is None or commitment is None or s >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % _ORDER
    return _equal(_times(s, _BASE), _sum(commitment, _times(h, key)))


def _point(encoded: bytes) -> Point | None:
    """The point on the curve that 32 bytes encode; None where there is none."""
    if len(encoded) != 32:
        return None
    y = int.from_bytes(encoded, "little")
    is_odd, y = y >> 255, y % _SIGN
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and is_odd):
        return None
    x = _P - x if x % 2 != is_odd else x
    return x, y, 1, x * y % _P


def _sum(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: Point) -> Point:
    found = _NEUTRAL
    while factor:
        if factor & 1:
            found = _sum(found, point)
        point, factor = _sum(point, point), factor >> 1
    return found


def _equal(p: Point, q: Point) -> bool:
    return not ((p[0] * q[2] - q[0] * p[2]) % _P or (p[1] * q[2] - q[1] * p[2]) % _P)


_BASE = _point((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little")) or _NEUTRAL
