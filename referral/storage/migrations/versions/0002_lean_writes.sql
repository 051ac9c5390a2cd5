-- Many gate reads in one round trip: what waits in a web process at the same moment is read together.

DROP FUNCTION gate_read(uuid, text, text, text, text, text, text);

-- `p_reads` is a list of {clinic, order, kind, id, role, address, request}. For each in turn: sets its clinic, reads
-- the facts of its order, writes its audit row. The answer has the facts in the same order, null where there is no such order.
CREATE FUNCTION gate_read_many(p_reads jsonb) RETURNS jsonb LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_read record;
    v_facts jsonb;
    v_all jsonb[] := '{}';
BEGIN
    FOR v_read IN SELECT * FROM jsonb_to_recordset(p_reads)
        AS r(clinic text, "order" text, kind text, id text, role text, address text, request text)
    LOOP
        PERFORM set_config('referral.clinic_id', v_read.clinic, true);
        v_facts := gate_facts(v_read."order");
        IF v_facts IS NOT NULL THEN
            INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype,
                                     entity, patient_id)
                VALUES (current_clinic(), v_read.kind, v_read.id, v_read.role, v_read.address, v_read.request, 'R', 'gate',
                        'ServiceRequest/' || v_read."order", v_facts ->> 'patient_id');
        END IF;
        v_all := array_append(v_all, v_facts);
    END LOOP;
    RETURN to_jsonb(v_all);
END
$$;

REVOKE ALL ON FUNCTION gate_read_many(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gate_read_many(jsonb) TO referral_app;

-- The last one of `p_count` numbers for requests, in a transaction of its own: whoever makes a request must not wait
-- until another one of the same clinic is committed. A request that is not made after all leaves a gap. It need not
-- wait for the disk: the commit that uses a number writes everything before it as well.
CREATE FUNCTION take_numbers(p_clinic uuid, p_year integer, p_count integer) RETURNS integer LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_last integer;
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true), set_config('synchronous_commit', 'off', true);
    INSERT INTO request_number AS n (clinic_id, year, last) VALUES (p_clinic, p_year, p_count)
        ON CONFLICT (clinic_id, year) DO UPDATE SET last = n.last + p_count
        RETURNING n.last INTO v_last;
    RETURN v_last;
END
$$;
REVOKE ALL ON FUNCTION take_numbers(uuid, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_numbers(uuid, integer, integer) TO referral_app;

-- Each row of these tables locked the one row of its clinic, which all transactions of the clinic share. Row-level
-- security lets in only rows of the clinic that was entered, and a clinic is entered by a token, a session or a link
-- that refers to it.
ALTER TABLE resource DROP CONSTRAINT fk_resource_clinic_id_clinic;
ALTER TABLE resource_history DROP CONSTRAINT fk_resource_history_clinic_id_clinic;
ALTER TABLE audit_event DROP CONSTRAINT fk_audit_event_clinic_id_clinic;
