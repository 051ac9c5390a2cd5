"""The commands that keep the systems that talk to /fhir, on the test's database."""

from __future__ import annotations

from pathlib import Path

from referral.storage import clinics
from tests.database import MASTER_KEY, ClinicFixture
from tests.fhir_api.cds_ehr import jwks, make_key, public_jwk
from tests.processes import referral


def test_a_system_is_let_in_listed_given_other_keys_and_shut_out(
    data_dir: Path, clinic: ClinicFixture
) -> None:
    with clinic.transaction() as session:
        slug = clinics.current(session).slug
    old, new = data_dir / "old.json", data_dir / "new.json"
    old.write_text(jwks(public_jwk(make_key(), "key-1")), encoding="utf-8")
    new.write_text(jwks(public_jwk(make_key(), "key-2")), encoding="utf-8")

    def client(*words: str) -> tuple[int, str]:
        done = referral(
            data_dir,
            *("client", *words, "--clinic", slug),
            REFERRAL_DATABASE_URL=clinic.database.url,
            REFERRAL_REDIS_URL="redis://127.0.0.1:1/0",
            REFERRAL_MASTER_KEY=MASTER_KEY,
        )
        return done.returncode, done.stdout + done.stderr

    code, id = client("add", "Our EHR", "--jwks", str(old), "--scope", "system/Task.rus?owner=Practitioner/x")
    assert code == 0, id
    row = f"Our EHR\t{id.strip()}\tkey-1\tnever\tsystem/Task.rus?owner=Practitioner/x\n"
    assert client("list") == (0, row)
    code, said = client("add", "Another", "--jwks-url", "https://10.0.0.1/jwks", "--scope", "system/*.cruds")
    assert code == 1
    assert said.startswith("Cannot go on: ")
    assert "10.0.0.1" in said or "address" in said
    assert "reads and searches only" in said
    assert client("keys", "Our EHR", "--jwks", str(new)) == (0, "Changed.\n")
    assert client("remove", id.strip()) == (0, "Removed.\n")
    assert client("list") == (0, "")
