"""The service's seal on a finished record: PAdES B-B with a P-256 key, made and checked offline.

It shows that the file is unaltered since it was sealed. It is not the clinician's signature: that is the
recorded act, which stands in the record.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from referral.letters.content import LetterProblem

VALID_FOR: Final = timedelta(days=3653)
_FIELD: Final = "ServiceSeal"

# It writes a traceback for every damaged file; the report says what there is to say.
logging.getLogger("pyhanko.sign.validation").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class SealReport:
    """What can be said of a file; only `good` means sealed under this root and not one bit changed since.

    `signed_at` is the time that the sealing service wrote; None without a seal.
    """

    sealed: bool
    intact: bool
    trusted: bool
    whole_file: bool
    signer: str
    reason: str
    signed_at: datetime | None

    @property
    def good(self) -> bool:
        return self.sealed and self.intact and self.trusted and self.whole_file


_NOT_SEALED: Final = SealReport(False, False, False, False, "", "", None)


def make_seal_key(common_name: str, now: datetime) -> bytes:
    """A new seal as PEM: private key, certificate, root. Keep it secret; `Sealer.root` may be published.

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
    return private + _pem(leaf) + _pem(root)


class Sealer:
    """Seals with one key; `root` is the PEM certificate that `verify` needs."""

    def __init__(self, key: bytes) -> None:
        """Raises LetterProblem when `key` did not come from `make_seal_key`."""
        try:
            private = serialization.load_pem_private_key(key, password=None)
            leaf, root = x509.load_pem_x509_certificates(key)
        except (ValueError, TypeError) as error:
            raise LetterProblem(
                "The seal key cannot be read; it must be what `make_seal_key` wrote."
            ) from error
        self.root = _pem(root)
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register(_for_pyhanko(root))
        der = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._signer = signers.SimpleSigner(
            signing_cert=_for_pyhanko(leaf),
            signing_key=asn1_keys.PrivateKeyInfo.load(der),
            cert_registry=store,
        )
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self._name = str(names[0].value)

    def seal(self, pdf: bytes, reason: str, now: datetime) -> bytes:
        """`pdf` followed by its seal; the original is a prefix. `now` is written as the time of sealing.

        Two calls give different bytes, since an ECDSA signature is random: store the result. Raises
        LetterProblem when `pdf` cannot be sealed.
        """
        metadata = signers.PdfSignatureMetadata(
            field_name=_FIELD,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            reason=reason,
            name=self._name,
        )
        field = SigFieldSpec(_FIELD, readable_field_name="Seal of the service")
        signer = _DatedSigner(metadata, signer=self._signer, new_field_spec=field)
        signer.sealed_at = now
        try:
            sealed = signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)))
        except (PdfError, SigningError) as error:
            raise LetterProblem("The document cannot be sealed; it is damaged or sealed already.") from error
        return bytes(sealed.getbuffer())


def carries(pdf: bytes, root: bytes) -> bool:
    """Whether a file has in it what `Sealer` writes for this PEM root, good or not: a copy of the root."""
    der = x509.load_pem_x509_certificate(root).public_bytes(serialization.Encoding.DER)
    return der.hex().upper().encode() in pdf


def verify(pdf: bytes, root: bytes, now: datetime) -> SealReport:
    """Check the last seal of a file against a PEM root; never raises for a damaged or unsealed file."""
    certificate = _for_pyhanko(x509.load_pem_x509_certificate(root))
    context = ValidationContext(trust_roots=[certificate], allow_fetching=False, moment=now)
    try:
        seals = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        return _report(pdf, seals[-1], certificate, context) if seals else _NOT_SEALED
    # A damaged file breaks the parser in any place and with any error; they all mean the same: not a good
    # seal.
    except Exception:  # noqa: BLE001
        return _NOT_SEALED


def _report(pdf: bytes, seal: Any, root: asn1_x509.Certificate, context: ValidationContext) -> SealReport:
    status = validate_pdf_signature(seal, context)
    return SealReport(
        sealed=True,
        intact=bool(status.intact and status.valid) and _container_is_as_written(pdf, seal, root),
        trusted=bool(status.trusted),
        whole_file=status.coverage == SignatureCoverageLevel.ENTIRE_FILE,
        signer=str(status.signing_cert.subject.native.get("common_name", "")),
        reason=str(seal.sig_object.get("/Reason", "")),
        signed_at=status.signer_reported_dt,
    )


def _container_is_as_written(pdf: bytes, seal: Any, root: asn1_x509.Certificate) -> bool:
    """Whether the gap that holds the signature is exactly what `Sealer` writes there.

    The signature cannot cover its own container: padding, letter case, a copy of the root. A change there
    forges nothing, but "not one bit" is what the report promises, so the container is built again from its
    signed parts.
    """
    _, start, end, _ = (int(number) for number in seal.sig_object["/ByteRange"])
    written = bytes.fromhex(pdf[start + 1 : end - 1].decode("ascii"))
    signed = cms.ContentInfo.load(written)["content"]
    (signer,) = signed["signer_infos"]
    certificate = seal.signer_cert
    sid = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
    again = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier({"issuer_and_serial_number": sid}),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": signer["signed_attrs"],
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": signer["signature"].native,
        }
    )
    container = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "data"},
            "certificates": signed["certificates"],
            "signer_infos": [again],
        }
    )
    der = cms.ContentInfo({"content_type": "signed_data", "content": container}).dump()
    copies = {choice.chosen.dump() for choice in signed["certificates"]}
    expected = b"<" + der.ljust(len(written), b"\0").hex().upper().encode() + b">"
    return pdf[start:end] == expected and copies == {certificate.dump(), root.dump()}


class _DatedSigner(signers.PdfSigner):
    """Writes the time it is told; pyHanko itself asks the clock."""

    sealed_at: datetime

    def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self.sealed_at
        return session


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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _for_pyhanko(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
