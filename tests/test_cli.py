"""Commands typed without a running service: each starts the engines for itself and says one thing."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fhir_api.cds_ehr import jwks, make_key, public_jwk
from tests.processes import referral

NOWHERE = {
    "REFERRAL_DATABASE_URL": "postgresql://nobody:hidden-word@127.0.0.1:1/none",
    "REFERRAL_REDIS_URL": "redis://127.0.0.1:1/0",
    "REFERRAL_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}


def test_accounts_and_tokens_are_made_one_at_a_time_and_refused_in_one_sentence(data_dir: Path) -> None:
    none_yet = referral(data_dir, "client", "add", "a script")
    assert (none_yet.returncode, none_yet.stdout) == (1, "")
    assert none_yet.stderr == "Name one clinic with --clinic; there are: none\n"

    demo = referral(data_dir, "demo")
    assert demo.returncode == 0, demo.stderr
    assert re.search(r"desk@\S+\.example +\S+ +\(front-desk\)", demo.stdout)

    client = referral(data_dir, "client", "add", "a script")
    assert (client.returncode, client.stderr) == (0, "")
    assert re.fullmatch(r"\S{40,}\n", client.stdout)

    add = ("user", "add", "zoe@clinic.example", "--name", "Zoe Example", "--role", "admin")
    user = referral(data_dir, *add)
    assert re.fullmatch(r"Added\. The password is \S{20,}\n", user.stdout)
    again = referral(data_dir, *add)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("Cannot go on: ")
    short = referral(data_dir, *add, "--password-stdin", typed="short\n")
    assert (short.returncode, short.stdout) == (1, "")
    assert "short" not in short.stderr

    link = referral(data_dir, "user", "reset-password", "zoe@clinic.example")
    assert re.match(r"/sign-in/set-up/\S{43}\n", link.stdout), link.stderr
    assert referral(data_dir, "user", "set-role", "ZOE@clinic.example", "auditor").stdout == "Changed.\n"
    listed = referral(data_dir, "user", "list").stdout
    zoe = "zoe@clinic.example\tZoe Example\tauditor\tset-up link\tpassword only\tnever"
    assert zoe in listed.splitlines()
    (admin,) = [line.split("\t")[0] for line in listed.splitlines() if "\tadmin\t" in line]
    last = referral(data_dir, "user", "disable", admin)
    assert (last.returncode, last.stdout) == (1, "")
    assert "the last administrator" in last.stderr
    nobody = referral(data_dir, "user", "reset-second-factor", "nobody@clinic.example")
    assert (nobody.returncode, nobody.stderr) == (1, "There is no account with this e-mail address.\n")

    counted = referral(data_dir, "overrides")
    assert (counted.returncode, counted.stderr) == (0, "")
    assert counted.stdout.splitlines()[0] == "asked for 0, approved 0, declined 0"

    doctor = referral(data_dir, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert {line.split()[0] for line in doctor.stdout.splitlines()} == {"ok"}


def test_wrong_settings_are_all_named_and_end_with_code_2(data_dir: Path) -> None:
    done = referral(data_dir, "migrate", REFERRAL_PORT="eighty", REFERRAL_COLOUR="blue")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "Cannot start; these settings are missing or wrong:"
    assert {line.strip().partition(":")[0] for line in done.stderr.splitlines()[1:]} == {
        "REFERRAL_PORT",
        "REFERRAL_COLOUR",
    }


def test_demo_accounts_are_refused_on_real_servers(data_dir: Path) -> None:
    done = referral(data_dir, "demo", **NOWHERE)
    assert done.returncode == 1
    assert done.stderr == "Demo accounts have known passwords; they exist on the embedded default only.\n"


def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(data_dir: Path) -> None:
    done = referral(data_dir, "doctor", **NOWHERE)
    assert done.returncode == 1
    assert done.stderr.startswith("Cannot go on: ")
    assert done.stderr.count("\n") == 1
    assert "hidden-word" not in done.stderr


def test_the_trust_list_of_cds_hooks_is_kept_from_the_command_line(data_dir: Path) -> None:
    keys = data_dir / "keys.json"
    keys.write_text(jwks(public_jwk(make_key(), "key-1")))
    assert referral(data_dir, "demo").returncode == 0
    add = ("cds-client", "add", "Our EHR", "--issuer", "https://ehr.example", "--jwks", str(keys))
    done = referral(data_dir, *add, "--origin", "https://chart.ehr.example")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Added.\n", "")
    listed = referral(data_dir, "cds-client", "list")
    assert listed.stdout == "Our EHR\thttps://ehr.example\t\tkey-1\thttps://chart.ehr.example\n"
    again = referral(data_dir, *add)
    assert (again.returncode, again.stderr) == (
        1,
        "Cannot go on: There is a client of this name; remove it first.\n",
    )
    missing = referral(data_dir, *add[:-1], str(data_dir / "none.json"))
    assert (missing.returncode, missing.stderr.startswith("Cannot read ")) == (1, True)
    assert referral(data_dir, "cds-client", "remove", "Our EHR").stdout == "Removed.\n"
    assert referral(data_dir, "cds-client", "list").stdout == ""
    gone = referral(data_dir, "cds-client", "remove", "Our EHR")
    assert gone.stderr == "Cannot go on: There is no client of this name on the trust list.\n"
