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
