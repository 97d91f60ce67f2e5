# SPDX-License-Identifier: Apache-2.0
"""Datagrams of IPMI 2.0 over LAN, as a controller reads and writes them.

Written from the specification, so that a mistake of the library that the
project uses is not made twice. Pure; knows nothing of sessions' lives.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_RMCP = b"\x06\x00\xff\x07"
_BMC = 0x20


@dataclass(frozen=True)
class Suite:
    """A cipher suite (IPMI 2.0, tables 13-17 to 13-19 and 22-20)."""

    number: int
    authentication: int
    integrity: int
    digest: Callable[..., Any]
    #: Bytes of a signature of a datagram, and of RAKP message 4.
    signature: int
    confidentiality: int = 1

    def algorithms(self) -> bytes:
        """As Open Session messages have them."""
        numbers = (self.authentication, self.integrity, self.confidentiality)
        return b"".join(
            bytes([kind, 0, 0, 8, number, 0, 0, 0])
            for kind, number in enumerate(numbers)
        )

    def record(self) -> bytes:
        """As Get Channel Cipher Suites has it (table 22-19)."""
        return bytes(
            [
                0xC0,
                self.number,
                self.authentication,
                0x40 | self.integrity,
                0x80 | self.confidentiality,
            ]
        )


SUITES = {
    3: Suite(3, 1, 1, hashlib.sha1, 12),
    17: Suite(17, 3, 4, hashlib.sha256, 16),
}


@dataclass(frozen=True)
class Keys:
    """Of an established session."""

    suite: Suite
    integrity: bytes
    confidentiality: bytes

    @classmethod
    def of(cls, suite: Suite, session: bytes) -> Keys:
        """From the session integrity key (13.32)."""
        first = hmac.digest(session, b"\x01" * 20, suite.digest)
        second = hmac.digest(session, b"\x02" * 20, suite.digest)
        return cls(suite, first, second[:16])

    def sign(self, datagram: bytes) -> bytes:
        """What comes after the datagram."""
        whole = hmac.digest(self.integrity, datagram[4:], self.suite.digest)
        return whole[: self.suite.signature]

    def cipher(self, start: bytes) -> Any:
        return Cipher(algorithms.AES(self.confidentiality), modes.CBC(start))


@dataclass(frozen=True)
class Datagram:
    """What came, before anything is verified."""

    #: None: IPMI 1.5.
    payload_type: int | None
    protected: bool
    session: int
    sequence: int
    payload: bytes
    raw: bytes


class Rubbish(Exception):
    """It is not IPMI over LAN."""


def parse(raw: bytes) -> Datagram:
    """Errors: Rubbish."""
    try:
        if raw[:4] != _RMCP:
            raise Rubbish(raw.hex())
        if raw[4] == 6:
            kind = raw[5]
            session, sequence, length = struct.unpack_from("<IIH", raw, 6)
            payload = raw[16 : 16 + length]
            return Datagram(
                kind & 0x3F, bool(kind & 0x40), session, sequence, payload, raw
            )
        if raw[4] == 0:
            sequence, session, length = struct.unpack_from("<IIB", raw, 5)
            return Datagram(
                None, False, session, sequence, raw[14 : 14 + length], raw
            )
    except (IndexError, struct.error) as error:
        raise Rubbish(raw.hex()) from error
    raise Rubbish(raw.hex())


def opened(datagram: Datagram, keys: Keys) -> bytes:
    """The payload of a datagram of a session, deciphered.

    Errors: Rubbish, also if its signature is wrong.
    """
    size = keys.suite.signature
    signed, signature = datagram.raw[:-size], datagram.raw[-size:]
    if not hmac.compare_digest(keys.sign(signed), signature):
        raise Rubbish("signature")
    secret = datagram.payload
    if len(secret) < 32 or len(secret) % 16:
        raise Rubbish("length")
    decryptor = keys.cipher(secret[:16]).decryptor()
    plain = decryptor.update(secret[16:]) + decryptor.finalize()
    return bytes(plain[: -plain[-1] - 1])


def plain(payload_type: int | None, payload: bytes) -> bytes:
    """A datagram outside of any session."""
    if payload_type is None:
        return _RMCP + bytes(9) + bytes([len(payload)]) + payload
    head = struct.pack("<BBIIH", 6, payload_type, 0, 0, len(payload))
    return _RMCP + head + payload


def sealed(
    payload_type: int, session: int, sequence: int, payload: bytes, keys: Keys
) -> bytes:
    """A datagram of a session: enciphered and signed (13.6)."""
    start = os.urandom(16)
    fill = -(len(payload) + 1) % 16
    text = payload + bytes(range(1, fill + 1)) + bytes([fill])
    encryptor = keys.cipher(start).encryptor()
    secret = start + encryptor.update(text) + encryptor.finalize()
    raw = _RMCP + struct.pack(
        "<BBIIH", 6, 0xC0 | payload_type, session, sequence, len(secret)
    )
    raw += secret
    fill = -(len(raw) - 4 + 2) % 4
    raw += b"\xff" * fill + bytes([fill, 7])
    return raw + keys.sign(raw)


@dataclass(frozen=True)
class Request:
    """An IPMI message to a controller (table 13-8)."""

    netfn: int
    command: int
    data: bytes
    #: Who asks, and the number that the answer repeats.
    asker: int
    number: int

    @classmethod
    def parse(cls, message: bytes) -> Request:
        """Errors: Rubbish."""
        if len(message) < 7 or sum(message[:3]) % 256:
            raise Rubbish("first checksum")
        if sum(message[3:]) % 256:
            raise Rubbish("second checksum")
        return cls(
            netfn=message[1] >> 2,
            command=message[5],
            data=message[6:-1],
            asker=message[3],
            number=message[4],
        )

    def answer(self, code: int, data: bytes = b"") -> bytes:
        """The message that answers it."""
        head = bytes([self.asker, (self.netfn | 1) << 2])
        body = bytes([_BMC, self.number, self.command, code]) + data
        return head + _checksum(head) + body + _checksum(body)


def _checksum(data: bytes) -> bytes:
    return bytes([-sum(data) % 256])
