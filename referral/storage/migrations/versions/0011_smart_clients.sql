-- Systems that sign in with a key of their own (SMART Backend Services), beside those that hold a bearer token.

ALTER TABLE api_client ALTER COLUMN token_digest DROP NOT NULL;
ALTER TABLE api_client ADD COLUMN jwks JSONB;
ALTER TABLE api_client ADD COLUMN jwks_url TEXT;
ALTER TABLE api_client ADD COLUMN used_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE api_client ADD CONSTRAINT ck_api_client_way CHECK (num_nonnulls(token_digest, jwks, jwks_url) = 1);

-- An assertion says its client before it says anything else: the id leads to one clinic, or to none.
CREATE UNIQUE INDEX uq_api_client_id ON api_client (id) WHERE token_digest IS NULL;
CREATE POLICY shown_id ON api_client FOR SELECT USING (token_digest IS NULL AND 'client/' || id = current_key());

-- Who a client is, and its bearer token, are said once; its scopes and keys change, it is used, and it ends.
REVOKE UPDATE ON api_client FROM referral_app;
GRANT UPDATE (scopes, jwks, jwks_url, used_at, revoked_at) ON api_client TO referral_app;

-- After a restore the keys of the backup would be believed again, those that were replaced as lost among them.
CREATE TRIGGER note_rekeyed AFTER UPDATE OF jwks, jwks_url ON api_client FOR EACH ROW
    WHEN (OLD.jwks IS DISTINCT FROM NEW.jwks OR OLD.jwks_url IS DISTINCT FROM NEW.jwks_url)
    EXECUTE FUNCTION note_safety('client-rekeyed', 'id');

-- Access tokens: only their digests, for minutes.
CREATE TABLE api_token (
    clinic_id UUID NOT NULL,
    token_digest BYTEA NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT[] DEFAULT '{}' NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_api_token PRIMARY KEY (clinic_id, token_digest),
    CONSTRAINT uq_api_token_token_digest UNIQUE (token_digest),
    CONSTRAINT fk_api_token_clinic_id_api_client FOREIGN KEY(clinic_id, client_id) REFERENCES api_client (clinic_id, id)
);

CREATE INDEX ix_api_token_clinic_id_client_id ON api_token (clinic_id, client_id);

-- Assertions that were used up, until they would have run out by themselves.
CREATE TABLE api_assertion (
    clinic_id UUID NOT NULL,
    client_id TEXT NOT NULL,
    jti_digest BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_api_assertion PRIMARY KEY (clinic_id, client_id, jti_digest),
    CONSTRAINT fk_api_assertion_clinic_id_api_client FOREIGN KEY(clinic_id, client_id) REFERENCES api_client (clinic_id, id)
);

CREATE INDEX ix_api_assertion_clinic_id_expires_at ON api_assertion (clinic_id, expires_at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{api_token,api_assertion}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;
CREATE POLICY shown_key ON api_token FOR SELECT USING (encode(token_digest, 'hex') = current_key());
GRANT SELECT, INSERT, DELETE ON api_token TO referral_app;
GRANT SELECT ON api_assertion TO referral_app;

-- Uses an assertion up, in one statement of its own: true the first time, false for a replay. Runs as the owner: the
-- application cannot forget one.
CREATE FUNCTION api_use_assertion(p_clinic uuid, p_client text, p_jti bytea, p_expires timestamptz) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_rows integer;
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true);
    INSERT INTO api_assertion (clinic_id, client_id, jti_digest, expires_at)
        VALUES (p_clinic, p_client, p_jti, p_expires) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows = 1;
END
$$;
REVOKE ALL ON FUNCTION api_use_assertion(uuid, text, bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_use_assertion(uuid, text, bytea, timestamptz) TO referral_app;

-- Clears away what ran out before `p_before`, and an hour ago or more by the database's own clock as well.
CREATE FUNCTION api_forget(p_clinic uuid, p_before timestamptz) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_before timestamptz := least(p_before, clock_timestamp() - interval '1 hour');
    v_tokens integer;
    v_assertions integer;
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true);
    DELETE FROM api_token t WHERE t.clinic_id = p_clinic AND t.expires_at < v_before;
    GET DIAGNOSTICS v_tokens = ROW_COUNT;
    DELETE FROM api_assertion a WHERE a.clinic_id = p_clinic AND a.expires_at < v_before;
    GET DIAGNOSTICS v_assertions = ROW_COUNT;
    RETURN v_tokens + v_assertions;
END
$$;
REVOKE ALL ON FUNCTION api_forget(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_forget(uuid, timestamptz) TO referral_app;

-- Enters a client's clinic for the rest of the transaction, and says whether the client is still let in with this
-- token: processes believe a token for some seconds, and one that was taken back ends at once all the same.
CREATE FUNCTION api_enter(p_clinic uuid, p_client text, p_token bytea) RETURNS boolean LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true);
    RETURN EXISTS (SELECT FROM api_client c
        WHERE c.clinic_id = p_clinic AND c.id = p_client AND c.revoked_at IS NULL
          AND (c.token_digest = p_token OR EXISTS (SELECT FROM api_token t
                WHERE t.clinic_id = p_clinic AND t.token_digest = p_token AND t.client_id = p_client)));
END
$$;
REVOKE ALL ON FUNCTION api_enter(uuid, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_enter(uuid, text, bytea) TO referral_app;

-- As before (0002), and with the digest of the token in hex: false stands where it does not let its client in any more.
CREATE OR REPLACE FUNCTION gate_read_many(p_reads jsonb) RETURNS jsonb LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_read record;
    v_facts jsonb;
    v_all jsonb[] := '{}';
BEGIN
    FOR v_read IN SELECT * FROM jsonb_to_recordset(p_reads)
        AS r(clinic text, "order" text, kind text, id text, role text, address text, request text, token text)
    LOOP
        IF v_read.token IS NULL THEN
            PERFORM set_config('referral.clinic_id', v_read.clinic, true);
        ELSIF NOT api_enter(v_read.clinic::uuid, v_read.id, decode(v_read.token, 'hex')) THEN
            v_all := array_append(v_all, 'false'::jsonb);
            CONTINUE;
        END IF;
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
