-- The clinic of this transaction; unset means none, and none sees no rows.
CREATE FUNCTION current_clinic() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(current_setting('referral.clinic_id', true), '')::uuid $$;

-- A key that the caller has shown (a selector, a digest, an e-mail address). It makes the one row with that key
-- visible before the clinic is known: whoever holds the key may learn whose it is, and nothing else.
CREATE FUNCTION current_key() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT NULLIF(current_setting('referral.key', true), '') $$;

DO $$
DECLARE
    name text;
    shown text;
BEGIN
    FOR name IN SELECT c.table_name FROM information_schema.columns c
                WHERE c.table_schema = 'public' AND c.column_name = 'clinic_id' LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
        shown := CASE name
            WHEN 'staff_user' THEN 'email = current_key()'
            WHEN 'staff_session' THEN 'encode(token_digest, ''hex'') = current_key()'
            WHEN 'api_client' THEN 'encode(token_digest, ''hex'') = current_key()'
            WHEN 'portal_session' THEN 'encode(token_digest, ''hex'') = current_key()'
            WHEN 'portal_credential' THEN 'selector = current_key() OR encode(code_digest, ''hex'') = current_key()'
        END;
        IF shown IS NOT NULL THEN
            EXECUTE format('CREATE POLICY shown_key ON %I FOR SELECT USING (%s)', name, shown);
        END IF;
    END LOOP;
END
$$;
-- Names and settings of clinics hold no patient data; workers walk over all clinics.
CREATE POLICY every_clinic ON clinic FOR SELECT USING (true);

-- What the application may do. Facts that the gate rests on can be added, never changed or taken away.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO referral_app;
GRANT INSERT ON clinic, policy_version, indication_rule, staff_user, staff_session, api_client, resource, search_entry,
    patient, clinician, contact, infusion_order, order_indication, consultation, recommendation,
    recommendation_review, recommendation_confirmation, recommendation_void, request_number, referral,
    referral_event, document, message, portal_credential, portal_session, portal_throttle, audit_event, audit_chain
    TO referral_app;
GRANT UPDATE ON staff_user, staff_session, api_client, resource, patient, clinician, contact, request_number, referral,
    message, portal_credential, portal_session, portal_throttle TO referral_app;
GRANT UPDATE (name, time_zone, letterhead, settings) ON clinic TO referral_app;
GRANT UPDATE (status, planned_sessions, first_infusion_on) ON infusion_order TO referral_app;
GRANT DELETE ON search_entry TO referral_app;

-- Old versions of a resource are kept by the database itself, so no caller can forget or rewrite them.
CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.version <> OLD.version + 1 OR NEW.type <> OLD.type OR NEW.id <> OLD.id OR NEW.clinic_id <> OLD.clinic_id THEN
        RAISE EXCEPTION 'a resource is changed by writing its next version' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO resource_history (clinic_id, type, id, version, body, last_updated)
        VALUES (OLD.clinic_id, OLD.type, OLD.id, OLD.version, OLD.body, OLD.last_updated);
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_version BEFORE UPDATE ON resource FOR EACH ROW EXECUTE FUNCTION keep_version();

-- Rings when there is something to send; the workers listen. Rows are the truth, the bell only saves waiting.
CREATE FUNCTION ring() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('referral_due', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER ring AFTER INSERT OR UPDATE OF not_before ON message FOR EACH STATEMENT EXECUTE FUNCTION ring();
