"""A file that holds the SHA-256 of itself: what was damaged on its way is refused, not answered.

Against accidents alone: whoever changes a file on purpose can seal it again. The digest is that of
the file with UNSEALED in its place, so it covers the record, the weights and the format's own bytes
alike, in any format that holds text as it is.
"""

import hashlib

UNSEALED = "unsealed" * 8
"""As long as a SHA-256 in hexadecimal digits; stands where the digest is to be."""


def sealed(content: bytes) -> bytes:
    """The content with its digest where UNSEALED stood. Raises ValueError unless that is once."""
    placeholder = UNSEALED.encode()
    if content.count(placeholder) != 1:
        raise ValueError(f"{UNSEALED!r} stands {content.count(placeholder)} times, not once")
    return content.replace(placeholder, hashlib.sha256(content).hexdigest().encode())


def check_seal(content: bytes, digest: str) -> None:
    """Raises ValueError where `content` is not what was sealed with `digest`."""
    before, found, after = content.partition(digest.encode())
    computed = hashlib.sha256(before)
    computed.update(UNSEALED.encode() + after)
    if not found or computed.hexdigest() != digest:
        raise ValueError("its bytes are not those that were written; copy or download it again")
