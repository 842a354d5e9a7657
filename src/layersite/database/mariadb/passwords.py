"""What a server keeps of a password, made here, so that no statement, and no log of it, ever has the password."""

import secrets
import string
from hashlib import sha1, sha256

__all__ = ["of_mariadb", "of_mysql"]

_LETTERS = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase
_SALT = 20
_THOUSANDS = 5
"""How many thousand rounds of hashing, as many as a server takes itself."""


def of_mariadb(password: str) -> str:
    """Return what `mysql_native_password` keeps, which every MariaDB has."""
    once = sha1(password.encode(), usedforsecurity=False).digest()
    return f"*{sha1(once, usedforsecurity=False).hexdigest().upper()}"


def of_mysql(password: str) -> str:
    """Return what `caching_sha2_password` keeps, which every MySQL has from 8.0 on."""
    salt = "".join(secrets.choice(_LETTERS) for _ in range(_SALT))
    return f"$A${_THOUSANDS:03}${salt}{_sha_crypt(password.encode(), salt.encode())}"


def _sha_crypt(password: bytes, salt: bytes) -> str:
    """Return the SHA-256 crypt of `password`; libraries have it for salts of up to 16 bytes alone."""
    size = len(password)
    digest = sha256(password + salt + password).digest()
    bits = (digest if size >> n & 1 else password for n in range(size.bit_length()))
    digest = sha256(password + salt + _fitted(digest, size) + b"".join(bits)).digest()
    word = _fitted(sha256(password * size).digest(), size)
    grain = _fitted(sha256(salt * (16 + digest[0])).digest(), len(salt))
    for n in range(1000 * _THOUSANDS):
        middle = (grain if n % 3 else b"") + (word if n % 7 else b"")
        digest = sha256((word if n % 2 else digest) + middle + (digest if n % 2 else word)).digest()
    return _written(digest)


def _fitted(digest: bytes, size: int) -> bytes:
    return (digest * (size // len(digest) + 1))[:size]


def _written(digest: bytes) -> str:
    """Write a digest with six bits a letter, its bytes in the order that the format has."""
    groups = [[digest[n + 10 * ((place - n) % 3)] for place in range(3)] for n in range(10)]
    numbers = (int.from_bytes(group) for group in [*groups, [0, digest[31], digest[30]]])
    letters = "".join(_LETTERS[number >> 6 * place & 63] for number in numbers for place in range(4))
    return letters[:43]
