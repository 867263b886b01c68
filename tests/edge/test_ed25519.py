"""Verification in plain Python, held against the library that signs and RFC 8032's own vectors."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe.edge.ed25519 import fits

ORDER = 2**252 + 27742317777372353535851937790883648493
RFC_8032 = (  # section 7.1, tests 1 and 2: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
)


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_standard_s_own_signatures_fit(public, message, signature):
    assert fits(*(bytes.fromhex(each) for each in (public, message, signature)))


@pytest.mark.parametrize("seed", range(8))
def test_what_the_library_signs_fits_and_any_changed_byte_does_not(seed):
    key, message = Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)), b"statement" * seed
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert fits(public, message, signature)
    assert not fits(public, message + b"!", signature)
    for place in (0, 31, 32, 63):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not fits(public, message, bytes(changed))
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not fits(other, message, signature)


def test_a_second_spelling_of_a_signature_is_refused():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = key.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + ORDER
    again = signature[:32] + s.to_bytes(32, "little")
    assert not fits(key.public_key().public_bytes_raw(), b"m", again)


def test_bytes_that_are_no_key_or_signature_fit_nothing():
    assert not fits(b"\xff" * 32, b"m", bytes(64))
    assert not fits(bytes(31), b"m", bytes(64))
    assert not fits(bytes(32), b"m", bytes(63))
