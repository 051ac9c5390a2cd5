"""The service's seal on a finished record: PAdES B-B with a P-256 key, made and checked offline.

It shows that the file is unaltered since it was sealed. It is not the clinician's signature: that is the
recorded act, which stands in the record.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
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
from referral.letters.seal_key import pem, read_seal_key

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


class Sealer:
    """Seals with one key; `root` is the PEM certificate that `verify` needs."""

    def __init__(self, key: bytes) -> None:
        """Raises LetterProblem when `key` did not come from `make_seal_key`."""
        private, leaf, root = read_seal_key(key)
        self.root = pem(root)
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


def _for_pyhanko(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
