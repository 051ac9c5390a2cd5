-- Who may call CDS Hooks, and what they answered.

CREATE TABLE cds_client (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    tenant TEXT DEFAULT '' NOT NULL,
    jwks JSONB NOT NULL,
    jwks_url TEXT,
    origins TEXT[] DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    removed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_cds_client PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_cds_client_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

-- A token says its issuer and tenant before it says anything else: the two lead to one clinic, or to none.
CREATE UNIQUE INDEX uq_cds_client_issuer ON cds_client (issuer, tenant) WHERE removed_at IS NULL;

CREATE TABLE cds_token (
    clinic_id UUID NOT NULL,
    client_id TEXT NOT NULL,
    jti_digest BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_cds_token PRIMARY KEY (clinic_id, client_id, jti_digest),
    CONSTRAINT fk_cds_token_clinic_id_cds_client FOREIGN KEY(clinic_id, client_id) REFERENCES cds_client (clinic_id, id)
);

CREATE INDEX ix_cds_token_clinic_id_expires_at ON cds_token (clinic_id, expires_at);

-- What was shown, so that an answer finds its order. The same order with the same reasons is the same card.
CREATE TABLE cds_card (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    hook TEXT NOT NULL,
    topic TEXT NOT NULL,
    patient_id TEXT,
    order_id TEXT,
    first_shown_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_cds_card PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_cds_card_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_cds_card_clinic_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT fk_cds_card_clinic_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id)
);

CREATE INDEX ix_cds_card_clinic_id_order_id ON cds_card (clinic_id, order_id);

CREATE TABLE cds_feedback (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    card_id UUID NOT NULL,
    client_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    suggestions TEXT[] DEFAULT '{}' NOT NULL,
    reason_system TEXT,
    reason_code TEXT,
    reason_text TEXT,
    comment TEXT,
    outcome_at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_cds_feedback PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_cds_feedback_once UNIQUE (clinic_id, card_id, client_id, outcome, outcome_at),
    CONSTRAINT fk_cds_feedback_clinic_id_cds_card FOREIGN KEY(clinic_id, card_id) REFERENCES cds_card (clinic_id, id),
    CONSTRAINT ck_cds_feedback_outcome CHECK (outcome IN ('accepted', 'overridden'))
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{cds_client,cds_token,cds_card,cds_feedback}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;
-- As for bearer tokens (docs/adr/0004): whoever shows the issuer and tenant, or a browser that shows its origin, sees
-- the one client, which holds public keys only. Neither contains a space by itself.
CREATE POLICY shown_key ON cds_client FOR SELECT
    USING (issuer || ' ' || tenant = current_key() OR current_key() = ANY (origins));

GRANT SELECT ON cds_client, cds_token, cds_card, cds_feedback TO referral_app;
GRANT INSERT ON cds_client, cds_card, cds_feedback TO referral_app;
GRANT UPDATE (removed_at) ON cds_client TO referral_app;

-- A client that was taken off the list stays off it; who is trusted again is registered again.
CREATE FUNCTION stay_removed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'a removed client is registered again, not brought back' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER stay_removed BEFORE UPDATE ON cds_client FOR EACH ROW WHEN (OLD.removed_at IS NOT NULL)
    EXECUTE FUNCTION stay_removed();
REVOKE ALL ON FUNCTION stay_removed() FROM PUBLIC;

-- Uses a token up, in one statement of its own: true the first time, false for a replay. Clears away what is over,
-- a little at each call, so that nobody has to remember it. Runs as the owner: the application cannot forget a token.
CREATE FUNCTION cds_use_token(p_clinic uuid, p_client text, p_jti bytea, p_expires timestamptz, p_now timestamptz)
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true);
    DELETE FROM cds_token WHERE ctid = ANY (ARRAY(
        SELECT t.ctid FROM cds_token t WHERE t.clinic_id = p_clinic AND t.expires_at < p_now
        ORDER BY t.expires_at LIMIT 4 FOR UPDATE SKIP LOCKED));
    INSERT INTO cds_token (clinic_id, client_id, jti_digest, expires_at)
        VALUES (p_clinic, p_client, p_jti, p_expires) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows = 1;
END
$$;
REVOKE ALL ON FUNCTION cds_use_token(uuid, text, bytea, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cds_use_token(uuid, text, bytea, timestamptz, timestamptz) TO referral_app;

-- All that a call of CDS Hooks asks about, in one statement: whom it means, the orders in use of them with what the gate
-- looks at, the open request of each, and the cards that were shown about it. A patient is found by identifiers, else by
-- id; then the date of birth has to agree where both are known. Several where the clinic holds one person twice.
CREATE FUNCTION cds_read(p_patient text, p_born date, p_systems text[], p_values text[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_patients text[];
BEGIN
    SELECT array_agg(f.id ORDER BY f.id) INTO v_patients FROM (
        SELECT DISTINCT e.id FROM unnest(p_systems, p_values) AS g(system, value)
          JOIN search_entry e ON e.clinic_id = current_clinic() AND e.type = 'Patient' AND e.parameter = 'identifier'
                             AND e.value = g.value AND e.system = g.system
         ORDER BY e.id LIMIT 5) f;
    IF v_patients IS NULL THEN
        SELECT array_agg(p.id) INTO v_patients FROM patient p
         WHERE p.clinic_id = current_clinic() AND p.id = p_patient
           AND (p_born IS NULL OR p.birth_date IS NULL OR p.birth_date = p_born);
    END IF;
    RETURN jsonb_build_object('patients', coalesce(to_jsonb(v_patients), '[]'), 'orders', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', o.id, 'facts', gate_facts(o.id), 'document', r.body::text,
                'request', (SELECT f.id FROM referral f WHERE f.clinic_id = o.clinic_id AND f.order_id = o.id
                            AND f.closed_at IS NULL ORDER BY f.created_at DESC, f.id LIMIT 1),
                'cards', (SELECT coalesce(jsonb_agg(c.id), '[]') FROM cds_card c
                          WHERE c.clinic_id = o.clinic_id AND c.order_id = o.id))
            ORDER BY o.first_infusion_on NULLS LAST, o.created_at, o.id), '[]')
        FROM (SELECT * FROM infusion_order i WHERE i.clinic_id = current_clinic() AND i.patient_id = ANY (v_patients)
              AND i.status IN ('on-hold', 'active') ORDER BY i.created_at DESC LIMIT 50) o
        JOIN resource r ON r.clinic_id = o.clinic_id AND r.type = 'ServiceRequest' AND r.id = o.id));
END
$$;
REVOKE ALL ON FUNCTION cds_read(text, date, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cds_read(text, date, text[], text[]) TO referral_app;
