"""Keys that are the same whenever they are made. They sign nothing but vectors."""

import functools
import hashlib
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from vector import AT

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def stream(label, count):
    """Bytes that look random and are always the same."""
    return hashlib.shake_256(label.encode()).digest(count)


def ed25519_key(label):
    return ed25519.Ed25519PrivateKey.from_private_bytes(stream(label, 32))


def p256_key(label):
    return ec.derive_private_key(int.from_bytes(stream(label, 32)) % (P256_ORDER - 1) + 1, ec.SECP256R1())


def is_prime(n):
    """Miller and Rabin's test with bases that are no attacker's choice."""
    if any(n % small == 0 for small in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    twos = ((n - 1) & -(n - 1)).bit_length() - 1
    for base in range(2, 42):
        power = pow(base, (n - 1) >> twos, n)
        if power in (1, n - 1):
            continue
        for _ in range(twos - 1):
            power = pow(power, 2, n)
            if power == n - 1:
                break
        else:
            return False
    return True


@functools.cache
def rsa_key(label):
    """An RSA key of 2048 bits."""
    e, primes = 65537, []
    for name in ("p", "q"):
        n = int.from_bytes(stream(f"{label} {name}", 128)) | (3 << 1022) | 1
        while not is_prime(n) or (n - 1) % e == 0:
            n += 2
        primes.append(n)
    p, q = max(primes), min(primes)
    d = pow(e, -1, (p - 1) * (q - 1))
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *crt, rsa.RSAPublicNumbers(e, p * q)).private_key()


@functools.cache
def certificate(label, days=30):
    """A self-signed certificate in PEM, that is valid for so many days around the vectors' instant."""
    key = rsa_key(label)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.fromtimestamp(AT, timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=days))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()
