"""The resource store: every FHIR resource with all its versions, and the entries that search reads.

A document is what the client sent, under the managed elements that the caller laid over it; id and meta are
ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import Text, bindparam, cast, select, text, tuple_, union_all

from referral.domain.errors import NotFound, StaleVersion
from referral.fhir.json import decode_stored, encode
from referral.fhir.overlay import overlay
from referral.fhir.provenance import patient_in
from referral.fhir.reference_targets import parse_reference
from referral.storage import projections
from referral.storage.db import Session, flush
from referral.storage.entries import entries_of, is_of, touched
from referral.storage.late import Changed
from referral.storage.tables import resource, resource_history

# Others may subscribe to changes of these (docs/adr/0015).
_LISTENED_TO: Final = frozenset({"Task", "ServiceRequest"})
_KEY: Final = (
    resource.c.clinic_id == bindparam("clinic_id"),
    resource.c.type == bindparam("type"),
    resource.c.id == bindparam("id"),
)
_READ: Final = select(
    cast(resource.c.body, Text).label("body"), resource.c.version, resource.c.last_updated
).where(*_KEY)
_FORGET: Final = text("DELETE FROM search_entry WHERE clinic_id = :clinic_id AND type = :type AND id = :id")
_FORGET_SOME: Final = text(
    "DELETE FROM search_entry WHERE clinic_id = :clinic_id AND type = :type AND id = ANY (:ids)"
    " AND split_part(parameter, ':', 1) = ANY (:parameters)"
)
_UPDATE: Final = text(
    "UPDATE resource SET version = version + 1, body = CAST(:body AS jsonb), last_updated = :last_updated,"
    " patient_id = :patient_id, method = :method"
    " WHERE clinic_id = :clinic_id AND type = :type AND id = :id AND version = :version"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One version. `body` is FHIR JSON text with id and meta, as it goes out.

    `method` is PATCH where it was written by one, else None; histories alone read it.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    body: str
    method: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        return decode_stored(self.body)

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


def new_id() -> str:
    """A random UUID: an id that tells nothing."""
    return str(uuid.uuid4())


def instant(moment: datetime) -> str:
    """FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def create(session: Session, documents: Iterable[dict[str, Any]], now: datetime) -> list[Stored]:
    """Store new resources under the ids that they carry; the caller has validated them and given ids.

    They are written with the transaction, and one that is changed before that is written as changed.
    """
    made = []
    for document in documents:
        stored, row = _prepare(session, document, 1, now)
        session.late.resources[stored.type, stored.id] = row
        made.append(stored)
    for stored in made:
        _project(session, stored)
    return made


def replace(
    session: Session,
    document: dict[str, Any],
    version: int,
    now: datetime,
    *,
    before: dict[str, Any] | None = None,
) -> Stored:
    """Write the next version of a resource; StaleVersion if `version` is not the current one.

    `before` is the document of that version, where the caller has it: what differs is indexed anew, and the
    rest is found as it was.
    """
    key = (document["resourceType"], document["id"])
    session.kept.setdefault(("before", *key), version)
    if key in session.late.resources:
        stored, session.late.resources[key] = _prepare(session, document, 1, now)
    else:
        parameters = touched(before, document) if before is not None else None
        stored, row = _prepare(session, document, version + 1, now, parameters)
        if parameters is None:
            session.connection.execute(_FORGET, row)
        elif parameters:
            which = {"ids": [stored.id], "parameters": sorted(parameters)}
            session.connection.execute(_FORGET_SOME, {**row, **which})
        method = session.kept.get(("method", *key))
        changed = session.connection.execute(_UPDATE, {**row, "version": version, "method": method})
        if changed.rowcount != 1:
            raise StaleVersion(
                f"{stored.reference} has been changed by somebody else. Reload it and try again."
            )
    _project(session, stored)
    return stored


def version_before(session: Session, type: str, id: str) -> int:
    """The version over which this transaction first wrote; the current one if it has written none."""
    before: int | None = session.kept.get(("before", type, id))
    return before if before is not None else read(session, type, id).version


def is_written_here(session: Session, stored: Stored) -> bool:
    """Whether this version is of this transaction: then nobody else can have written since."""
    return session.kept.get(("resource", stored.type, stored.id)) is stored


def note_patch(session: Session, type: str, id: str) -> None:
    """What this transaction writes of this resource from now on is written by a PATCH; histories say so."""
    session.kept["method", type, id] = "PATCH"


def is_patch(session: Session, type: str, id: str) -> bool:
    """Whether this transaction writes the resource by a PATCH."""
    return session.kept.get(("method", type, id)) == "PATCH"


def record_of(session: Session, document: dict[str, Any]) -> str | None:
    """As patient_of(); a Binary belongs to the record of what its securityContext names."""
    if document["resourceType"] != "Binary":
        return patient_of(document)
    context = document.get("securityContext")
    named = parse_reference(context.get("reference")) if isinstance(context, dict) else None
    if named is None or named.base:
        return None
    if named.type == "Patient":
        return named.id
    owner = find(session, named.type, named.id) if named.type != "Binary" else None
    return patient_of(owner.document) if owner is not None else None


def patients_of(session: Session, references: Iterable[str]) -> list[str]:
    """Whose records these resources ('Type/id') belong to, each once; what does not exist has none."""
    found = [patient_of(stored.document) for stored in find_many(session, references).values()]
    return list(dict.fromkeys(id for id in found if id))


def _project(session: Session, stored: Stored) -> None:
    if stored.type in projections.MIRRORED:
        projections.project(session, stored.document)


def _prepare(
    session: Session,
    document: dict[str, Any],
    version: int,
    now: datetime,
    parameters: frozenset[str] | None = None,
) -> tuple[Stored, dict[str, Any]]:
    """With `parameters` only these are indexed anew; what is pending of others stays."""
    kind, id = document["resourceType"], document["id"]
    meta = {**document.get("meta", {}), "versionId": str(version), "lastUpdated": instant(now)}
    head = {"resourceType": kind, "id": id, "meta": meta}
    complete = {**head, **{name: value for name, value in document.items() if name not in head}}
    if parameters is None:
        session.late.entries[kind, id] = entries_of(complete)
    else:
        pending = session.late.entries.get((kind, id), ())
        kept = [row for row in pending if not is_of(row, parameters)]
        session.late.entries[kind, id] = kept + entries_of(complete, parameters)
    body = encode(complete).decode()
    row = {
        "clinic_id": session.clinic,
        "type": kind,
        "id": id,
        "body": body,
        "last_updated": now,
        "patient_id": record_of(session, complete),
    }
    session.late.changed.add(f"{kind}/{id}")
    if row["patient_id"]:
        session.late.changed.add(f"Patient/{row['patient_id']}")
    stored = session.kept["resource", kind, id] = Stored(kind, id, version, now, body)
    if kind in _LISTENED_TO:
        changed = Changed(kind, id, body, now, row["patient_id"])
        session.late.noticed.resources[kind, id] = changed
    return stored, row


def patient_of(document: dict[str, Any]) -> str | None:
    """Whose record this is, for the audit row: the id of the Patient it is or is about.

    An Appointment is about the first Patient who takes part, a Provenance about whose record it tells of.
    """
    if document["resourceType"] == "Provenance":
        return patient_in(document)
    if document["resourceType"] == "Patient":
        return str(document["id"])
    about = [document.get(name) for name in ("subject", "patient", "for")]
    if document["resourceType"] == "Appointment":
        participants = document.get("participant") or []
        about = [item.get("actor") for item in participants if isinstance(item, dict)]
    for reference in about:
        if isinstance(reference, dict):
            target = str(reference.get("reference", ""))
            if target.startswith("Patient/"):
                return target.removeprefix("Patient/").split("/")[0]
    return None


def read(session: Session, type: str, id: str) -> Stored:
    """The current version; NotFound where there is none in this clinic."""
    found = find(session, type, id)
    if found is None:
        raise NotFound(f"There is no {type} with id {id}.")
    return found


def find(session: Session, type: str, id: str) -> Stored | None:
    """The current version; None where there is none in this clinic."""
    written: Stored | None = session.kept.get(("resource", type, id))
    if written is not None:
        return written
    row = session.connection.execute(
        _READ, {"clinic_id": session.clinic, "type": type, "id": id}
    ).one_or_none()
    return Stored(type, id, row.version, row.last_updated, row.body) if row else None


def find_many(session: Session, references: Iterable[str]) -> dict[str, Stored]:
    """Current versions by 'Type/id'; what does not exist is missing from the result."""
    wanted = {tuple(reference.split("/", 1)) for reference in references if "/" in reference}
    by_type: dict[str, list[str]] = {}
    found: dict[str, Stored] = {}
    for type, id in sorted(wanted):
        written = session.kept.get(("resource", type, id))
        if written is not None:
            found[f"{type}/{id}"] = written
        else:
            by_type.setdefault(type, []).append(id)
    for type, ids in by_type.items():
        rows = session.connection.execute(
            select(
                resource.c.id,
                resource.c.version,
                resource.c.last_updated,
                cast(resource.c.body, Text).label("body"),
            ).where(resource.c.clinic_id == session.clinic, resource.c.type == type, resource.c.id.in_(ids))
        )
        found |= {f"{type}/{r.id}": Stored(type, r.id, r.version, r.last_updated, r.body) for r in rows}
    return found


def read_version(session: Session, type: str, id: str, version: int) -> Stored:
    """Any version, the current one too; raises NotFound."""
    flush(session)
    parts = [
        select(table.c.last_updated, cast(table.c.body, Text).label("body")).where(
            table.c.clinic_id == session.clinic,
            table.c.type == type,
            table.c.id == id,
            table.c.version == version,
        )
        for table in (resource, resource_history)
    ]
    row = session.connection.execute(union_all(*parts)).one_or_none()
    if row is None:
        raise NotFound(f"{type}/{id[:64]} has no version {version}.")
    return Stored(type, id, version, row.last_updated, row.body)


def make_entries_again(session: Session, after: tuple[str, str], limit: int) -> tuple[str, str] | None:
    """Search entries of the next resources by type and id; (type, id) of the last, None without any."""
    flush(session)
    rows = session.connection.execute(
        select(resource.c.type, resource.c.id, cast(resource.c.body, Text).label("body"))
        .where(resource.c.clinic_id == session.clinic, tuple_(resource.c.type, resource.c.id) > after)
        .order_by(resource.c.type, resource.c.id)
        .limit(limit)
        .with_for_update(key_share=True)
    ).all()
    for row in rows:
        session.connection.execute(_FORGET, {"clinic_id": session.clinic, "type": row.type, "id": row.id})
        session.late.entries[row.type, row.id] = entries_of(decode_stored(row.body))
    return (rows[-1].type, rows[-1].id) if rows else None


_HOLD_MANY: Final = text(
    "SELECT id, version, last_updated, body::text AS body FROM resource"
    " WHERE clinic_id = :clinic AND type = :type AND id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE"
)
_UPDATE_MANY: Final = text(
    "UPDATE resource r SET version = r.version + 1, body = v.body, last_updated = :now,"
    " patient_id = v.patient_id, method = v.method"
    " FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v (id text, body jsonb, patient_id text, method text)"
    " WHERE r.clinic_id = :clinic AND r.type = :type AND r.id = ANY (:ids) AND r.id = v.id"
)


def amend_many(session: Session, type: str, changes: Mapping[str, dict[str, Any]], now: datetime) -> None:
    """As amend() for many resources of one type, by id, in a few statements. Raises NotFound.

    They are locked in the order of their ids, so that two batches never wait for each other in a circle.
    """
    here = [id for id in changes if (type, id) in session.late.resources]
    for id in here:
        amend(session, type, id, changes[id], now)
    ids = [id for id in changes if id not in here]
    if not ids:
        return
    about = {"clinic": session.clinic, "type": type}
    held = session.connection.execute(_HOLD_MANY, {**about, "ids": ids}).all()
    if len(held) != len(ids):
        raise NotFound(f"A {type} that was to be changed does not exist.")
    rows = []
    forgotten: dict[frozenset[str], list[str]] = {}
    for row in held:
        session.kept.setdefault(("before", type, row.id), row.version)
        before = decode_stored(row.body)
        document = _amended(before, changes[row.id])
        parameters = touched(before, document)
        stored, made = _prepare(session, document, row.version + 1, now, parameters)
        forgotten.setdefault(parameters, []).append(row.id)
        rows.append(
            {
                "id": row.id,
                "body": orjson.Fragment(stored.body.encode()),
                "patient_id": made["patient_id"],
                "method": session.kept.get(("method", type, row.id)),
            }
        )
        _project(session, stored)
    given = {**about, "ids": ids, "now": now, "rows": orjson.dumps(rows).decode()}
    session.connection.execute(_UPDATE_MANY, given)
    for parameters, those in forgotten.items():
        if not parameters:
            continue
        which = {"clinic_id": session.clinic, "type": type, "ids": those, "parameters": sorted(parameters)}
        session.connection.execute(_FORGET_SOME, which)


def _amended(document: dict[str, Any], managed: dict[str, Any]) -> dict[str, Any]:
    """Managed elements laid over a document; None removes an element."""
    changed = overlay(document, {name: value for name, value in managed.items() if value is not None})
    for name, value in managed.items():
        if value is None:
            changed.pop(name, None)
    return changed


def amend(session: Session, type: str, id: str, managed: dict[str, Any], now: datetime) -> Stored:
    """Lay managed elements over the current version and write the next one; None removes an element."""
    current = read(session, type, id)
    before = current.document
    return replace(session, _amended(before, managed), current.version, now, before=before)
