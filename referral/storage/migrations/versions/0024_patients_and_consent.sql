-- Messages to patients, the page behind their links, and what they have agreed to (docs/adr/0026 and 0027).

ALTER TABLE patient ADD COLUMN address TEXT[] DEFAULT '{}' NOT NULL;

-- A way to reach somebody is a clinician's or a patient's, never nobody's and never both's.
ALTER TABLE contact ALTER COLUMN clinician_id DROP NOT NULL,
    ADD COLUMN patient_id TEXT,
    ADD CONSTRAINT fk_contact_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    ADD CONSTRAINT uq_contact_clinic_id_patient_id_id UNIQUE (clinic_id, patient_id, id),
    ADD CONSTRAINT uq_contact_clinic_id_patient_id_channel_address UNIQUE (clinic_id, patient_id, channel, address),
    ADD CONSTRAINT ck_contact_owner CHECK ((clinician_id IS NULL) <> (patient_id IS NULL));

-- A message to a patient is about a request for this very patient, and goes to a contact of this very patient.
ALTER TABLE referral ADD CONSTRAINT uq_referral_clinic_id_patient_id_id UNIQUE (clinic_id, patient_id, id);
ALTER TABLE message ADD COLUMN patient_id TEXT,
    ADD CONSTRAINT fk_message_clinic_id_patient_id_contact_id_contact
        FOREIGN KEY(clinic_id, patient_id, contact_id) REFERENCES contact (clinic_id, patient_id, id),
    ADD CONSTRAINT fk_message_clinic_id_patient_id_referral_id_referral
        FOREIGN KEY(clinic_id, patient_id, referral_id) REFERENCES referral (clinic_id, patient_id, id),
    ADD CONSTRAINT ck_message_patient CHECK ((patient_id IS NOT NULL) = (kind LIKE 'patient-%'));
CREATE INDEX ix_message_of_patient ON message (clinic_id, patient_id, created_at) WHERE patient_id IS NOT NULL;

CREATE TABLE patient_link (
    clinic_id UUID NOT NULL,
    selector TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    message_id UUID NOT NULL,
    secret_digest BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_for TEXT,
    attempts INTEGER DEFAULT 0 NOT NULL,
    paused_until TIMESTAMP WITH TIME ZONE,
    frozen_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_patient_link PRIMARY KEY (clinic_id, selector),
    CONSTRAINT uq_patient_link_selector UNIQUE (selector),
    CONSTRAINT fk_patient_link_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT fk_patient_link_clinic_id_message_id_message FOREIGN KEY(clinic_id, message_id) REFERENCES message (clinic_id, id)
);
CREATE INDEX ix_patient_link_clinic_id_patient_id ON patient_link (clinic_id, patient_id);

CREATE TABLE patient_visit (
    clinic_id UUID NOT NULL,
    token_digest BYTEA NOT NULL,
    selector TEXT NOT NULL,
    csrf_token TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    identified_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_patient_visit PRIMARY KEY (token_digest),
    CONSTRAINT fk_patient_visit_clinic_id_selector_patient_link FOREIGN KEY(clinic_id, selector) REFERENCES patient_link (clinic_id, selector)
);
CREATE INDEX ix_patient_visit_clinic_id_selector ON patient_visit (clinic_id, selector);

-- Every word about a consent, for good: what holds is the newest one that was not an error.
CREATE TABLE consent_decision (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    consent_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    decision TEXT NOT NULL,
    made_by TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_consent_decision PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_consent_decision_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT ck_consent_decision_scope CHECK (scope IN ('treatment-disclosure', 'patient-messages')),
    CONSTRAINT ck_consent_decision_decision CHECK (decision IN ('granted', 'withdrawn', 'undone'))
);
CREATE INDEX ix_consent_decision_clinic_id_patient_id ON consent_decision (clinic_id, patient_id, id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{patient_link,patient_visit,consent_decision}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;
CREATE POLICY shown_key ON patient_link FOR SELECT USING (selector = current_key());
CREATE POLICY shown_key ON patient_visit FOR SELECT USING (encode(token_digest, 'hex') = current_key());

GRANT SELECT, INSERT ON patient_link, patient_visit, consent_decision TO referral_app;
GRANT UPDATE (attempts, paused_until, frozen_at, revoked_at, revoked_for, expires_at) ON patient_link TO referral_app;
GRANT UPDATE (seen_at, identified_at, ended_at) ON patient_visit TO referral_app;
GRANT DELETE ON patient_visit TO referral_app;

CREATE TRIGGER keep_ended BEFORE UPDATE ON patient_link FOR EACH ROW
    WHEN (NEW.expires_at > OLD.expires_at OR (OLD.revoked_at IS NOT NULL
          AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at OR NEW.revoked_for IS DISTINCT FROM OLD.revoked_for)))
    EXECUTE FUNCTION keep_ended();
CREATE TRIGGER keep_ended BEFORE UPDATE ON patient_visit FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL) EXECUTE FUNCTION keep_ended();

-- A withdrawal must not come undone with a backup, and is exported at once (docs/adr/0008).
CREATE OR REPLACE FUNCTION note_safety() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_row jsonb := to_jsonb(NEW);
    v_detail jsonb := '{}';
BEGIN
    FOR i IN 2 .. TG_NARGS - 1 LOOP
        v_detail := v_detail || jsonb_build_object(TG_ARGV[i], v_row -> TG_ARGV[i]);
    END LOOP;
    INSERT INTO safety_event (clinic_id, kind, subject, detail)
        VALUES (NEW.clinic_id, TG_ARGV[0], v_row ->> TG_ARGV[1], v_detail);
    -- What takes something back is exported at once. The rest waits for the sweep: a bell makes commits queue.
    IF TG_ARGV[0] IN ('voided', 'reviewed', 'closed', 'link-ended', 'consent') THEN
        PERFORM pg_notify('referral_due', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_safety AFTER INSERT ON consent_decision FOR EACH ROW
    EXECUTE FUNCTION note_safety('consent', 'patient_id', 'scope', 'decision', 'consent_id');
DROP TRIGGER note_safety ON message;
CREATE TRIGGER note_safety AFTER UPDATE OF state ON message FOR EACH ROW
    WHEN (NEW.state = 'accepted' AND OLD.state <> 'accepted')
    EXECUTE FUNCTION note_safety('sent', 'id', 'referral_id', 'kind', 'ordinal', 'generation', 'channel', 'contact_id', 'patient_id');

-- Patients who are on file already: their mail address and telephone number, as their rows have them. A mobile number
-- and a postal address follow with the next version of their record.
DO $$
DECLARE
    v_clinic uuid;
BEGIN
    FOR v_clinic IN SELECT c.clinic_id FROM clinic c LOOP
        PERFORM set_config('referral.clinic_id', v_clinic::text, true);
        INSERT INTO contact (clinic_id, id, patient_id, channel, address, source)
            SELECT p.clinic_id, gen_random_uuid()::text, p.id, v.channel, v.address, 'ehr'
              FROM patient p CROSS JOIN LATERAL (VALUES ('email', p.email), ('phone', p.telephone)) v (channel, address)
             WHERE p.clinic_id = v_clinic AND v.address IS NOT NULL;
    END LOOP;
    PERFORM set_config('referral.clinic_id', '', true);
END
$$;
