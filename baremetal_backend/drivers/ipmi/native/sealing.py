# SPDX-License-Identifier: Apache-2.0
"""Encrypts and signs the packets of one session (IPMI 2.0, 13.28 and 13.29).

AES-CBC-128, and HMAC-SHA1-96 or HMAC-SHA256-128. Pure but for the randomness
of the initialisation vector.

pyghmi does the same, and makes four cryptographic objects for each command,
which is half of what a command costs. Here the key schedules are made once:
CBC is AES of single blocks (ECB) with what its definition adds to them.
"""

from __future__ import annotations

import hmac
import os
import struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import (
    Cipher,
    algorithms,
    modes,
)

_RMCP: Final = b"\x06\x00\xff\x07\x06"
_SIGNED: Final = 0x40
_ENCRYPTED: Final = 0x80
_PADS: Final = tuple(bytes(range(1, size + 1)) for size in range(16))
_HEADER: Final = struct.Struct("<5sBIIH")
_BLOCK: Final = 16


class Sealing:
    """The keys of one session. Owner: the pump's thread."""

    __slots__ = ("_decrypt", "_encrypt", "_sign", "_size")

    def __init__(
        self, key: bytes, integrity_key: bytes, hash_name: str, size: int
    ) -> None:
        # S305: single blocks only; the chaining is below.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        self._encrypt = cipher.encryptor().update
        self._decrypt = cipher.decryptor().update
        self._sign = hmac.new(integrity_key, digestmod=hash_name)
        self._size = size

    def seal(
        self, kind: int, session: int, sequence: int, payload: bytes
    ) -> bytes:
        """A datagram with this payload of this type."""
        pad = -(len(payload) + 1) % _BLOCK
        plain = b"%b%b%c" % (payload, _PADS[pad], pad)
        vector = block = os.urandom(_BLOCK)
        blocks = [vector]
        for at in range(0, len(plain), _BLOCK):
            block = self._encrypt(_xor(plain[at : at + _BLOCK], block))
            blocks.append(block)
        body = b"".join(blocks)
        header = _HEADER.pack(
            _RMCP, kind | _SIGNED | _ENCRYPTED, session, sequence, len(body)
        )
        # 12 octets are signed before the body, whose length is a multiple of
        # 16, and 2 after the filling (table 13-8).
        signed = b"%b%b\xff\xff\x02\x07" % (header, body)
        return signed + self._code(signed[4:])

    def unseal(self, datagram: bytes) -> tuple[int, bytes] | None:
        """Sequence number and payload; None: it is not authentic.

        Errors: ValueError for what nobody could have encrypted.
        """
        if not datagram[5] & _SIGNED:
            return None
        size = self._size
        code = self._code(datagram[4:-size])
        if not hmac.compare_digest(code, datagram[-size:]):
            return None
        _, _, _, sequence, length = _HEADER.unpack_from(datagram)
        body = datagram[16 : 16 + length]
        if not datagram[5] & _ENCRYPTED:
            return sequence, body
        secret = body[_BLOCK:]
        if len(secret) % _BLOCK or len(body) != length:
            # A part of a block would stay behind for the next datagram.
            raise ValueError(f"{len(secret)} octets are no blocks")
        plain = _xor(self._decrypt(secret), body[: len(secret)])
        return sequence, plain[: -plain[-1] - 1]

    def _code(self, signed: bytes) -> bytes:
        sign = self._sign.copy()
        sign.update(signed)
        return sign.digest()[: self._size]


def _xor(one: bytes, other: bytes) -> bytes:
    mixed = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return mixed.to_bytes(len(one), "big")


__all__ = ["Sealing"]
