-- Reads by id that wait at the same moment, in one statement (docs/adr/0006): each in its own clinic, with its own audit
-- row. `token` is the digest in hex; admitted is false where it does not let its client in any more.
CREATE FUNCTION read_many(p_reads jsonb)
    RETURNS TABLE (place integer, admitted boolean, version integer, last_updated timestamptz, body text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_read record;
    v_patient text;
BEGIN
    FOR v_read IN SELECT * FROM jsonb_to_recordset(p_reads)
        AS r(place integer, clinic text, type text, resource text, kind text, id text, role text, address text,
             request text, token text)
    LOOP
        place := v_read.place;
        version := NULL;
        last_updated := NULL;
        body := NULL;
        IF v_read.token IS NULL THEN
            PERFORM set_config('referral.clinic_id', v_read.clinic, true);
            admitted := true;
        ELSE
            admitted := api_enter(v_read.clinic::uuid, v_read.id, decode(v_read.token, 'hex'));
        END IF;
        IF admitted THEN
            SELECT r.version, r.last_updated, r.body::text, r.patient_id
                INTO read_many.version, read_many.last_updated, read_many.body, v_patient
                FROM resource r
                WHERE r.clinic_id = current_clinic() AND r.type = v_read.type AND r.id = v_read.resource;
            IF FOUND THEN
                INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action,
                                         subtype, entity, patient_id)
                    VALUES (current_clinic(), v_read.kind, v_read.id, v_read.role, v_read.address, v_read.request, 'R',
                            'read', v_read.type || '/' || v_read.resource, v_patient);
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION read_many(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_many(jsonb) TO referral_app;
