"""Search on 10,000 and on 1,000,000 resources, and the plans of every search that is served.

Rows are written by SQL as the application would have left them: for each patient four ServiceRequests and
five Tasks, each owner with a hundred Tasks. Two servers, each over a database of its own, are asked the same
searches in turns, for people and clinicians drawn anew each time.
"""

from __future__ import annotations

import http.client
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import create_engine

from bench._harness import demo_clinic, figure, running_engines, runtime_for, server
from bench.gate import ours
from referral.config import Settings
from referral.fhir.definitions import CLINICAL_TYPES
from referral.fhir.search_parameters import SearchParameter, parameters
from referral.fhir.search_query import parse_search
from referral.storage import search
from referral.storage.db import Session

SMALL: Final = int(os.environ.get("BENCH_SEARCH_SMALL", "10000"))
LARGE: Final = int(os.environ.get("BENCH_SEARCH_LARGE", "1000000"))
SEARCHES: Final = 200
_STEP: Final = 10_000
_START: Final = datetime(2020, 1, 1, tzinfo=UTC)

# Each patient has ten resources; {first} and {last} are numbers of patients, {clinic} a UUID.
_LOAD: Final = """
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT type, id, p, n,
       CASE type WHEN 'Patient' THEN NULL ELSE 'Patient/p' || p END AS patient,
       'Practitioner/o' || (p * 5 + n) / 100 AS owner,
       (ARRAY['requested', 'accepted', 'completed', 'completed', 'completed', 'completed', 'completed',
              'cancelled', 'cancelled', 'rejected'])[1 + mod(p * 7 + n, 10)] AS task_status,
       (ARRAY['active', 'completed', 'revoked', 'on-hold'])[1 + mod(n, 4)] AS request_status,
       timestamptz '2020-01-01' + interval '1 minute' * (p * 3) + interval '1 second' * n AS at
FROM (SELECT 'Patient' AS type, 'p' || p AS id, p, 0 AS n FROM generate_series({first}, {last}) p
      UNION ALL SELECT 'ServiceRequest', 'r' || p || '-' || n, p, n
                FROM generate_series({first}, {last}) p, generate_series(1, 4) n
      UNION ALL SELECT 'Task', 't' || p || '-' || n, p, n
                FROM generate_series({first}, {last}) p, generate_series(1, 5) n) rows;
INSERT INTO resource (clinic_id, type, id, version, body, last_updated, patient_id)
SELECT '{clinic}', type, id, 1,
       jsonb_build_object('resourceType', type, 'id', id,
                          'meta', jsonb_build_object('versionId', '1', 'lastUpdated', '2026-01-01T00:00:00Z'),
                          'intent', 'order', 'note', jsonb_build_array(jsonb_build_object('text',
                              repeat('What was said of it at length. ', 8)))),
       at, CASE type WHEN 'Patient' THEN id ELSE 'p' || p END
FROM made;
INSERT INTO search_entry (clinic_id, type, id, parameter, system, value, low, high)
SELECT '{clinic}', type, id, e.parameter, e.system, e.value, e.low, e.high
FROM made CROSS JOIN LATERAL (VALUES
    ('Task', 'patient', NULL, patient, NULL::timestamptz, NULL::timestamptz),
    ('Task', 'subject', NULL, patient, NULL, NULL),
    ('Task', 'owner', NULL, owner, NULL, NULL),
    ('Task', 'focus', NULL, 'ServiceRequest/r' || p || '-' || least(n, 4), NULL, NULL),
    ('Task', 'status', 'http://hl7.org/fhir/task-status', task_status, NULL, NULL),
    ('Task', 'intent', NULL, 'order', NULL, NULL),
    ('Task', 'code', 'http://hl7.org/fhir/CodeSystem/task-code', 'fulfill', NULL, NULL),
    ('Task', 'authored-on', NULL, NULL, at, at + interval '1 second'),
    ('Task', 'identifier', 'http://tasks.example', 'T-' || id, NULL, NULL),
    ('ServiceRequest', 'patient', NULL, patient, NULL, NULL),
    ('ServiceRequest', 'subject', NULL, patient, NULL, NULL),
    ('ServiceRequest', 'status', 'http://hl7.org/fhir/request-status', request_status, NULL, NULL),
    ('ServiceRequest', 'category', 'http://snomed.info/sct', '386053000', NULL, NULL),
    ('ServiceRequest', 'authored', NULL, NULL, at, at + interval '1 second'),
    ('Patient', 'family', 'Name' || p / 10, 'name' || p / 10, NULL, NULL),
    ('Patient', 'name', 'Name' || p / 10, 'name' || p / 10, NULL, NULL),
    ('Patient', 'gender', 'http://hl7.org/fhir/administrative-gender',
     (ARRAY['male', 'female'])[1 + mod(p, 2)], NULL, NULL),
    ('Patient', 'identifier', 'http://mrn.example', 'M-' || p, NULL, NULL),
    ('Patient', 'birthdate', NULL, NULL, timestamptz '1940-01-01' + interval '1 day' * mod(p, 25000),
     timestamptz '1940-01-02' + interval '1 day' * mod(p, 25000))
) AS e (of_type, parameter, system, value, low, high)
WHERE e.of_type = made.type;
"""


def load(admin_url: str, clinic_id: str, first: int, last: int) -> None:
    """Patients `first` to `last` with ten resources each; triggers are off."""
    engine = create_engine(admin_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(_LOAD.format(clinic=clinic_id, first=first, last=last))
    engine.dispose()


def analyse(admin_url: str) -> None:
    """What autovacuum would have done by then."""
    engine = create_engine(admin_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    engine.dispose()


# ---- Timing

# Each search finds as many at both sizes; given is the number of patients.
_TIMED: Final[dict[str, Callable[[int], str]]] = {
    "patient": lambda people: f"Task?patient=p{random.randrange(people)}",
    "owner-and-status": lambda people: (
        f"Task?owner=Practitioner/o{random.randrange(people * 5 // 100)}&status=requested"
    ),
    "last-updated": lambda people: (
        f"Task?_lastUpdated=ge{quote((_START + timedelta(minutes=3 * (people - 10))).isoformat())}"
    ),
}
# Told, without a goal: what else clients ask.
_TOLD: Final[dict[str, Callable[[int], str]]] = {
    "status": lambda _: "Task?status=requested",
    "code_intent_and_owner": lambda people: (
        f"Task?code=fulfill&intent=order&owner=Practitioner/o{random.randrange(people * 5 // 100)}"
    ),
    "chain": lambda people: f"Task?patient.identifier=http://mrn.example|M-{random.randrange(people)}",
    "has": lambda people: (
        f"Patient?_has:Task:patient:owner=Practitioner/o{random.randrange(people * 5 // 100)}"
    ),
    "include": lambda people: f"Task?patient=p{random.randrange(people)}&_include=Task:focus",
    "authored_of_patient": lambda people: (
        f"ServiceRequest?patient=p{random.randrange(people)}&authored=ge2020&_sort=-authored"
    ),
    "authored_late": lambda people: (
        f"ServiceRequest?authored=ge{quote((_START + timedelta(minutes=3 * (people - 10))).isoformat())}"
    ),
    "name": lambda people: f"Patient?name=name{random.randrange(people // 10)}&birthdate=lt2100",
}


class Client:
    """One connection to a server over a database with so many patients."""

    def __init__(self, port: int, token: str, people: int) -> None:
        self.people = people
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {token}"}

    def time(self, path: str) -> float:
        """Milliseconds."""
        begun = time.perf_counter()
        self._connection.request("GET", f"/fhir/{quote(path, safe='?&=/:|%,.')}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200 or b'"entry"' not in body:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
        return (time.perf_counter() - begun) * 1000


def compare(small: Client, large: Client) -> dict[str, tuple[float, float]]:
    """Medians in milliseconds by search, asked in turns so that both have the same machine."""
    found = {}
    for name, path in {**_TIMED, **_TOLD}.items():
        times = [[client.time(path(client.people)) for client in (small, large)] for _ in range(SEARCHES)]
        # The first ones warm the caches.
        here, there = zip(*times[SEARCHES // 10 :], strict=True)
        found[name] = (statistics.median(here), statistics.median(there))
    return found


# ---- Plans

_VALUES: Final = {
    "token": ("x", "http://x.example|x"),
    "reference": ("Patient/x",),
    "date": ("2026-03-01", "ge2026-03-01", "lt2020-03-01"),
    "string": ("x",),
    "uri": ("http://x.example",),
    "quantity": ("5",),
    "number": ("5",),
    "special": ("40|-105|10",),
}


def searches() -> Iterator[tuple[str, str]]:
    """(type, query) for every parameter of every type of the store; AuditEvents have a path of their own."""
    for type in CLINICAL_TYPES:
        if type != "AuditEvent":
            for row in parameters(type).values():
                yield from ((type, f"{row.name}={value}") for value in values_for(row))


def values_for(row: SearchParameter) -> tuple[str, ...]:
    """Something that the parameter takes."""
    if row.kind == "composite":
        first, second = (_VALUES[part.kind][0] for part in row.components)
        return (f"{first}${second}",)
    return _VALUES[row.kind]


def faults(plan: dict[str, Any]) -> list[str]:
    """What in a plan does not go by an index, or by one that does not know the parameter."""
    found = [fault for child in plan.get("Plans", ()) for fault in faults(child)]
    kind, table = plan["Node Type"], plan.get("Relation Name")
    condition = plan.get("Index Cond", "")
    if kind == "Seq Scan":
        found.append(f"reads all of {table}")
    elif "search_entry" in plan.get("Index Name", "") and "parameter" not in condition:
        found.append(f"{plan['Index Name']} is asked for {condition or 'everything'}")
    return found


def show_plans(session: Session) -> int:
    """Prints the plan of each search that is not answered by an index; how many there are."""
    bad = asked = 0
    for type, text in searches():
        asked += 1
        plan = search.plan_of(session, parse_search(type, text, now=_START))
        wrong = faults(plan)
        if wrong:
            bad += 1
            print(f"  {type}?{text}: {'; '.join(wrong)}\n{plan}")
    print(f"  {asked - bad} of {asked} searches use an index")
    return bad


def main() -> None:
    """Two databases of the two sizes, asked in turns; then the plans on the large one."""
    with ExitStack() as stack:
        small, _ = _grown(stack, SMALL)
        large, plans = _grown(stack, LARGE)
        for name, (before, after) in compare(small, large).items():
            print(f"  {name:22} {before:7.2f} ms on {SMALL}   {after:7.2f} ms on {LARGE}")
            if name in _TIMED:
                figure(f"fhir-search-{name}-large-to-small", after / before, "<= 1.5")
        figure("fhir-searches-without-index", plans(), "0")


def _grown(stack: ExitStack, size: int) -> tuple[Client, Callable[[], int]]:
    """A server over that many resources, and what shows the plans of its database."""
    begun = time.perf_counter()
    engines, settings = stack.enter_context(running_engines())
    clinic, token = demo_clinic(settings)
    for start in range(0, size // 10, _STEP):
        load(engines.admin_url, clinic, start, min(start + _STEP, size // 10) - 1)
    analyse(engines.admin_url)
    print(f"  {size} resources after {time.perf_counter() - begun:.0f} s", flush=True)
    port = stack.enter_context(server(ours, settings))
    return Client(port, token, size // 10), lambda: _plans(settings, clinic)


def _plans(settings: Settings, clinic: str) -> int:
    runtime = runtime_for(settings)
    try:
        with runtime.transaction(clinic) as session:
            return show_plans(session)
    finally:
        runtime.close()


if __name__ == "__main__":
    main()
