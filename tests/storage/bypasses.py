"""What somebody who can run SQL as the application's role might try to have treatment started all the same.

`:order` of `:patient` lacks its consultation and its recommendation. `:voided` of `:person` is an order whose
only recommendation, `:answer` by `:clinician` to `:request`, was withdrawn after one start.
"""

from __future__ import annotations

from typing import Final

_START: Final = "SELECT * FROM gate_start('x', :order, :patient, 'a', 'b', 'c', 'd', 'e')"
_START_VOIDED: Final = "SELECT * FROM gate_start('x', :voided, :person, 'a', 'b', 'c', 'd', 'e')"
_INSERT_START: Final = (
    "INSERT INTO treatment_start (clinic_id, id, patient_id, order_id, gate_version, started_by, started_at)"
    " VALUES (current_clinic(), 'x', :patient, :order, 1, 'me', now())"
)

# The database answers each of these with an error, and nothing is different afterwards.
REFUSED: Final[dict[str, str]] = {
    "insert a start": "INSERT INTO treatment_start"
    " (clinic_id, id, patient_id, order_id, gate_version, started_by, started_at)"
    " VALUES (current_clinic(), 'x', :patient, :order, 1, 'me', now())",
    "change a start": "UPDATE treatment_start SET order_id = :order",
    "delete starts": "DELETE FROM treatment_start",
    "truncate starts": "TRUNCATE treatment_start",
    "copy into starts": "COPY treatment_start FROM STDIN",
    "disable the trigger": "ALTER TABLE treatment_start DISABLE TRIGGER ALL",
    "drop the trigger": "DROP TRIGGER check_start ON treatment_start",
    "replicate past the trigger": "SET session_replication_role = replica",
    "become the owner": "SET ROLE referral_owner",
    "become somebody else": "SET SESSION AUTHORIZATION postgres",
    "replace the function": "CREATE OR REPLACE FUNCTION"
    " gate_check(p_order text, p_at timestamptz, OUT refusals text[], OUT recommendation_id text)"
    " LANGUAGE sql AS $$ SELECT '{}'::text[], 'x' $$",
    "alter the function": "ALTER FUNCTION gate_start(text, text, text, text, text, text, text, text)"
    " SECURITY INVOKER",
    "shadow a table": "CREATE TABLE public.recommendation_x (id text)",
    "make a schema": "CREATE SCHEMA mine",
    "take off row security": "ALTER TABLE recommendation DISABLE ROW LEVEL SECURITY",
    "turn row security off": "SET row_security = off; SELECT * FROM recommendation",
    "move the gate's version": "UPDATE gate SET version = 0",
    "delete the gate": "DELETE FROM gate",
    "lengthen a recommendation": "UPDATE recommendation SET valid_until = 'infinity'",
    "turn a refusal round": "UPDATE recommendation SET decision = 'recommended'",
    "unvoid": "DELETE FROM recommendation_void",
    "take back a review": "UPDATE recommendation_review SET accepted = true",
    "take away an indication": "DELETE FROM order_indication",
    "rename an indication": "UPDATE order_indication SET code = 'G89.4'",
    "reclassify": "UPDATE indication_rule SET indication_class = 'pain'",
    "forget the policy": "DELETE FROM policy_version",
    "give the order to another patient": "UPDATE infusion_order SET patient_id = 'x'",
    "rewrite the audit": "UPDATE audit_event SET patient_id = 'x'",
    "delete the audit": "DELETE FROM audit_event",
    "rewrite history": "UPDATE resource_history SET body = '{}'",
    "call the trigger function": "SELECT make_gate()",
    "recommend without being asked": "INSERT INTO recommendation (clinic_id, id, patient_id, order_id,"
    " referral_id, clinician_id, clinician_kind, decision, covers, strength, answered_at, valid_until,"
    " response_id) VALUES (current_clinic(), 'x', :patient, :order, 'nobody', 'nobody', 'psychiatrist',"
    " 'recommended', '{F33.2}', 'two-channel', now(), 'infinity', 'x')",
    "start in another clinic": "SELECT set_config('referral.clinic_id', gen_random_uuid()::text, true);"
    " SELECT * FROM gate_start('x', :order, :patient, 'a', 'b', 'c', 'd', 'e')",
    "start without a clinic": "SELECT set_config('referral.clinic_id', '', true);"
    " SELECT * FROM gate_start('x', :order, :patient, 'a', 'b', 'c', 'd', 'e')",
    "start with a shadowing search path": "SET LOCAL search_path = pg_temp, public;"
    " CREATE TEMP TABLE consultation AS"
    " SELECT current_clinic() AS clinic_id, :order::text AS order_id, now() AS held_at;"
    " SELECT * FROM gate_start('x', :order, :patient, 'a', 'b', 'c', 'd', 'e')",
    "merge into starts": "MERGE INTO treatment_start USING (SELECT 1) s ON false WHEN NOT MATCHED THEN"
    " INSERT (clinic_id, id, patient_id, order_id, gate_version, started_by, started_at)"
    " VALUES (current_clinic(), 'x', :patient, :order, 1, 'me', now())",
    "insert a start over another": f"{_INSERT_START} ON CONFLICT DO NOTHING",
    "insert as who signed in": f"RESET ROLE; {_INSERT_START}",
    "insert by a function of one's own": "CREATE FUNCTION pg_temp.begin_it() RETURNS void LANGUAGE sql"
    f" SECURITY DEFINER AS $$ {_INSERT_START} $$; SELECT pg_temp.begin_it()",
    "insert through a view": "CREATE TEMP VIEW seen AS SELECT * FROM treatment_start;"
    " INSERT INTO seen (clinic_id, id, patient_id, order_id, gate_version, started_by, started_at)"
    " VALUES (current_clinic(), 'x', :patient, :order, 1, 'me', now())",
    "a trigger of one's own on the starts": "CREATE TRIGGER mine BEFORE INSERT ON treatment_start"
    " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "a rule on the starts": "CREATE RULE mine AS ON INSERT TO treatment_start DO INSTEAD NOTHING",
    "a rule on the voids": "CREATE RULE mine AS ON INSERT TO recommendation_void DO INSTEAD NOTHING",
    "a policy of one's own": "CREATE POLICY mine ON treatment_start USING (true)",
    "drop a policy": "DROP POLICY own_clinic ON recommendation",
    "drop the deferred check": "DROP TRIGGER check_start_at_commit ON treatment_start",
    "rename the deferred check": "ALTER TRIGGER check_start_at_commit ON treatment_start RENAME TO mine",
    "drop the composite key": "ALTER TABLE treatment_start"
    " DROP CONSTRAINT fk_treatment_start_clinic_id_patient_id_order_id_recomm_fce5",
    "drop the rule": "DROP FUNCTION gate_check CASCADE",
    "own the rule": "ALTER FUNCTION gate_check OWNER TO referral_app",
    "own the starts": "ALTER TABLE treatment_start OWNER TO referral_app",
    "take over from the owner": "REASSIGN OWNED BY referral_owner TO referral_app",
    "drop what the owner has": "DROP OWNED BY referral_owner",
    "an overloaded rule": "CREATE FUNCTION public.gate_check(p_order text, p_at timestamp,"
    " OUT refusals text[]) LANGUAGE sql AS $$ SELECT '{}'::text[] $$",
    "become a superuser": "ALTER ROLE referral_app SUPERUSER",
    "become a member of the owner": "GRANT referral_owner TO referral_app WITH INHERIT TRUE",
    "make a role": "CREATE ROLE mine SUPERUSER",
    "switch triggers off for the role": "ALTER ROLE referral_app SET session_replication_role = replica",
    "switch triggers off for the server": "ALTER SYSTEM SET session_replication_role = replica",
    "bring an extension": "CREATE EXTENSION dblink",
    "a program of the server": "COPY (SELECT 1) TO PROGRAM 'true'",
    "default rights to come": "ALTER DEFAULT PRIVILEGES FOR ROLE referral_owner IN SCHEMA public"
    " GRANT INSERT ON TABLES TO referral_app",
    "make a gate": "INSERT INTO gate (clinic_id, order_id, patient_id)"
    " VALUES (current_clinic(), :order, :patient)",
    "hold the gate without the function": "SELECT * FROM gate FOR UPDATE",
    "lock the starts": "LOCK TABLE treatment_start IN ACCESS EXCLUSIVE MODE",
    "date a start back": "UPDATE treatment_start SET started_at = now() - interval '1 day'",
    "move a start to another recommendation": "UPDATE treatment_start SET recommendation_id = NULL",
    "start with no order": "SELECT * FROM gate_start('x', NULL, NULL, 'a', 'b', 'c', 'd', 'e')",
    "start for another patient": "SELECT * FROM gate_start('x', :voided, :patient, 'a', 'b', 'c', 'd', 'e')",
    "start without an actor": "SELECT * FROM gate_start('x', :voided, :person, NULL, NULL, NULL, NULL, NULL)",
    "start while reading only": f"SET TRANSACTION READ ONLY; {_START}",
    "start without waiting": f"SET LOCAL lock_timeout = '1ms'; {_START_VOIDED}",
    "start with checks deferred": f"SET CONSTRAINTS ALL DEFERRED; {_START_VOIDED}",
    "start with checks at once": f"SET CONSTRAINTS ALL IMMEDIATE; {_START_VOIDED}",
    "start and let another finish": f"{_START_VOIDED}; PREPARE TRANSACTION 'x'",
    "start beside its own recommendation": "INSERT INTO recommendation (clinic_id, id, patient_id, order_id,"
    " referral_id, clinician_id, clinician_kind, decision, covers, strength, answered_at, valid_until,"
    " response_id) VALUES (current_clinic(), 'x', :patient, :order, :request, :clinician, 'psychiatrist',"
    " 'recommended', '{F33.2}', 'two-channel', now(), 'infinity', 'x')",
    "lend a review to another's recommendation": "INSERT INTO recommendation_review (clinic_id, patient_id,"
    " order_id, recommendation_id, accepted, made_by, reason)"
    " VALUES (current_clinic(), :patient, :order, :answer, true, 'me', 'x')",
    "a consultation of somebody else": "INSERT INTO consultation (clinic_id, encounter_id, patient_id,"
    " order_id, held_at, recorded_by) VALUES (current_clinic(), 'x', :person, :order, now(), 'me')",
    "a consultation in another clinic": "INSERT INTO consultation (clinic_id, encounter_id, patient_id,"
    " order_id, held_at, recorded_by) VALUES (gen_random_uuid(), 'x', :patient, :order, now(), 'me')",
    "a policy for another clinic": "INSERT INTO policy_version (clinic_id, version, eligible, validity_days,"
    " counts_at_once, ladder, created_by)"
    " VALUES (gen_random_uuid(), 9, '{psychiatrist}', 9, '{}', '{}', 'me')",
    "change the policy in force": "UPDATE policy_version SET red_flags_need_director = false",
    "shift an indication to another order": "UPDATE order_indication SET order_id = 'x'",
    "an order without its patient": "UPDATE infusion_order SET id = 'x'",
    "allow emergency access quietly": "UPDATE policy_version SET allow_override = true",
    "ask for emergency access by hand": "INSERT INTO override_request (clinic_id, id, patient_id, order_id,"
    " reason_code, sealed_reason, requested_by, reauthenticated_at, requested_at)"
    " VALUES (current_clinic(), 'x', :patient, :order, 'emergency-clinician-decision',"
    " decode(repeat('00', 60), 'hex'), 'me', now(), now())",
    "approve emergency access by hand": "INSERT INTO override_decision (clinic_id, request_id, patient_id,"
    " order_id, requested_by, decided_by, outcome, reauthenticated_at, decided_at, expires_at) VALUES"
    " (current_clinic(), 'x', :patient, :order, 'me', 'you', 'approved', now(), now(),"
    " now() + interval '60 minutes')",
    "lengthen emergency access": "UPDATE override_decision SET expires_at = 'infinity'",
    "emergency access without a session": "SELECT override_ask('x', :voided, :person, '\\x00',"
    " 'emergency-clinician-decision', decode(repeat('00', 60), 'hex'), 'd', 'e')",
    "approve what nobody asked": "SELECT override_decide('x', '\\x00', true, 'd', 'e')",
}

# Facts that the application's role may add, and that open nothing.
USELESS: Final[dict[str, str]] = {
    "say that the order is active": "UPDATE infusion_order SET status = 'active'",
    "revive a request": "UPDATE referral SET closed_at = NULL, status = 'completed'",
    "accept a withdrawn recommendation": "INSERT INTO recommendation_review (clinic_id, patient_id, order_id,"
    " recommendation_id, accepted, made_by, reason)"
    " VALUES (current_clinic(), :person, :voided, :answer, true, 'me', 'x')",
    "confirm a withdrawn recommendation": "INSERT INTO recommendation_confirmation (clinic_id, patient_id,"
    " order_id, recommendation_id, spoke_with, made_by, reason)"
    " VALUES (current_clinic(), :person, :voided, :answer, 'x', 'me', 'x')",
    "withdraw the withdrawal by a second one": "INSERT INTO recommendation_void (clinic_id, patient_id,"
    " order_id, recommendation_id, cause, made_by, reason)"
    " VALUES (current_clinic(), :person, :voided, :answer, 'entered-in-error', 'me', 'x')",
    "a consultation to come": "INSERT INTO consultation (clinic_id, encounter_id, patient_id, order_id,"
    " held_at, recorded_by)"
    " VALUES (current_clinic(), 'x', :patient, :order, now() + interval '1 day', 'me')",
    "a pain code beside the other": "INSERT INTO order_indication (clinic_id, order_id, system, code,"
    " display, position) VALUES (current_clinic(), :voided, 'http://hl7.org/fhir/sid/icd-10-cm',"
    " 'G89.4', 'pain', 9)",
    "catch the refusal": f"DO $do$ BEGIN PERFORM * FROM ({_START_VOIDED}) x;"
    " EXCEPTION WHEN OTHERS THEN END $do$",
    "an operator of one's own": "CREATE FUNCTION pg_temp.yes(text[], text[]) RETURNS boolean LANGUAGE sql AS"
    " $$ SELECT true $$;"
    " CREATE OPERATOR pg_temp.@> (LEFTARG = text[], RIGHTARG = text[], FUNCTION = pg_temp.yes)",
    "a clock of one's own": "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
    " AS $$ SELECT '2000-01-01'::timestamptz $$; SET LOCAL search_path = pg_temp, public",
    "grant oneself": "GRANT INSERT ON treatment_start TO referral_app",
    "an answer that is over": "{answer: valid_until = now() - interval '1 second'}",
    "an answer that says no": "{answer: decision = 'not-recommended'}",
    "an answer about something else": "{answer: covers = '{G89.4}'}",
    "an answer of an unfit clinician": "{answer: clinician_kind = 'social-worker'}",
    "an answer of a clinician of no kind": "{answer: clinician_kind = ''}",
    "an answer of nobody for certain": "{answer: strength = 'single-channel'}",
    "an answer with red flags": "{answer: red_flags = '{mania}'}",
    "an answer with conditions": "{answer: decision = 'recommended-with-conditions'}",
}
_ANSWER: Final = {
    "id": "'x'",
    "patient_id": ":person",
    "order_id": ":voided",
    "referral_id": ":request",
    "clinician_id": ":clinician",
    "clinician_kind": "'psychiatrist'",
    "decision": "'recommended'",
    "covers": "'{F33.2}'",
    "red_flags": "'{}'",
    "strength": "'two-channel'",
    "answered_at": "now() - interval '1 day'",
    "valid_until": "now() + interval '180 days'",
    "response_id": "'x'",
}


def spelled_out(statement: str) -> str:
    """`{answer: column = value}` is a good recommendation for `:voided` but for one column."""
    if not statement.startswith("{answer: "):
        return statement
    column, _, value = statement[len("{answer: ") : -1].partition(" = ")
    row = _ANSWER | {column: value}
    return (
        f"INSERT INTO recommendation (clinic_id, {', '.join(row)})"
        f" VALUES (current_clinic(), {', '.join(row.values())})"
    )
