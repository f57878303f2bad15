"""Writes notifications: Package#0 (TS 7.1) in a connectionless WAP push, from the specification alone."""

import hashlib
import struct
import time

SERVER_ID, PREFERRED, NOTIFICATION_ID, DIGEST, REQ_MOS = 1, 2, 3, 4, 5
WIRELINE, ANY_AVAILABLE = 3, 0


def package(server_id, number, secret=None, req_mos=False, preferred=None, sent=None):
    """Package#0 of the draft, authenticated if there is a secret."""
    options = [(SERVER_ID, server_id.encode())]
    if preferred is not None:
        options.append((PREFERRED, bytes(preferred)))
    options.append((NOTIFICATION_ID, struct.pack(">H", number)))
    if secret is not None:
        options.append((DIGEST, struct.pack(">I", int(sent or time.time())) + bytes(32)))
    if req_mos:
        options.append((REQ_MOS, b""))

    message = bytearray(struct.pack(">H", 2 << 12 | len(options) << 7))
    before, digest_at = 0, None
    for option, value in options:
        message += struct.pack(">H", (option - before) << 12 | len(value)) + value
        before = option
        if option == DIGEST:
            digest_at = len(message) - 32
    if digest_at is not None:
        message[digest_at : digest_at + 32] = hashlib.sha256(secret + message).digest()
    return bytes(message)


def push(body, transaction=1):
    """A WSP Push: content type application/vnd.syncml.dm.notification, application id 7."""
    headers = bytes([0x80 | 0x58, 0x80 | 0x2F, 0x80 | 0x07])
    return bytes([transaction, 0x06, len(headers)]) + headers + body
