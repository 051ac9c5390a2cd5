"""The key of the service's seal, and where its root is found in a file: without what reads and writes PDFs.

Sealing and checking are in `seal.py`, which takes long to load.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from referral.letters.content import LetterProblem

VALID_FOR: Final = timedelta(days=3653)


def make_seal_key(common_name: str, now: datetime) -> bytes:
    """A new seal as PEM: private key, certificate, root. Keep it secret; the root alone may be published.

    The root's own key is thrown away, so nobody can issue a second seal under it. Valid for ten years from
    `now`.
    """
    root_key, seal_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = f"{common_name} root"
    root = _certificate(root_name, root_key.public_key(), root_name, root_key, now, is_root=True)
    leaf = _certificate(common_name, seal_key.public_key(), root_name, root_key, now, is_root=False)
    private = seal_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + pem(leaf) + pem(root)


def read_seal_key(key: bytes) -> tuple[PrivateKeyTypes, x509.Certificate, x509.Certificate]:
    """Private key, certificate, root. Raises LetterProblem when `key` did not come from make_seal_key()."""
    try:
        private = serialization.load_pem_private_key(key, password=None)
        leaf, root = x509.load_pem_x509_certificates(key)
    except (ValueError, TypeError) as error:
        raise LetterProblem("The seal key cannot be read; it must be what `make_seal_key` wrote.") from error
    return private, leaf, root


def root_of(key: bytes) -> bytes:
    """The PEM certificate that checking a seal needs. Raises as read_seal_key()."""
    return pem(read_seal_key(key)[2])


def carries(pdf: bytes, root: bytes) -> bool:
    """Whether a file has in it what `Sealer` writes for this PEM root, good or not: a copy of the root."""
    der = x509.load_pem_x509_certificate(root).public_bytes(serialization.Encoding.DER)
    return der.hex().upper().encode() in pdf


def pem(certificate: x509.Certificate) -> bytes:
    """As text, base64 between two lines."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime,
    *,
    is_root: bool,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=not is_root,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issued_by, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
