-- Emergency access (override): one clinician or medical director asks, another medical director approves, one start
-- within 60 minutes uses it. It stands in for a missing recommendation and for nothing else: without the initial
-- consultation, with an unclassified indication or an order that is not in use, the gate stays closed.

-- When the person of this session last gave the password again, by the database's clock.
ALTER TABLE staff_session ADD COLUMN reauthenticated_at TIMESTAMP WITH TIME ZONE;

-- The words are about a patient: they are sealed with the clinic's key. 28 of their bytes are nonce and tag.
CREATE TABLE override_request (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    sealed_reason BYTEA NOT NULL,
    requested_by TEXT NOT NULL,
    reauthenticated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_override_request PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_override_request_whole UNIQUE (clinic_id, patient_id, order_id, id, requested_by),
    CONSTRAINT fk_override_request_order
        FOREIGN KEY (clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_override_request_requested_by
        FOREIGN KEY (clinic_id, requested_by) REFERENCES staff_user (clinic_id, id),
    CONSTRAINT ck_override_request_reason CHECK (reason_code IN
        ('paper-recommendation-on-file', 'pain-indication-only', 'emergency-clinician-decision')),
    CONSTRAINT ck_override_request_words CHECK (octet_length(sealed_reason) >= 28 + 30),
    CONSTRAINT ck_override_request_fresh
        CHECK (requested_at - reauthenticated_at BETWEEN interval '0' AND interval '5 minutes')
);
CREATE INDEX ix_override_request_clinic_id_order_id ON override_request (clinic_id, order_id);
CREATE INDEX ix_override_request_clinic_id_requested_at ON override_request (clinic_id, requested_at);

-- One word on each request, for ever. requested_by is the request's own (composite key), so that a CHECK can compare.
CREATE TABLE override_decision (
    clinic_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reauthenticated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_override_decision PRIMARY KEY (clinic_id, request_id),
    CONSTRAINT uq_override_decision_whole UNIQUE (clinic_id, patient_id, order_id, request_id),
    CONSTRAINT uq_override_decision_asked UNIQUE (clinic_id, request_id, requested_by),
    CONSTRAINT fk_override_decision_request
        FOREIGN KEY (clinic_id, patient_id, order_id, request_id, requested_by)
        REFERENCES override_request (clinic_id, patient_id, order_id, id, requested_by),
    CONSTRAINT fk_override_decision_decided_by
        FOREIGN KEY (clinic_id, decided_by) REFERENCES staff_user (clinic_id, id),
    CONSTRAINT ck_override_decision_two_people CHECK (decided_by <> requested_by),
    CONSTRAINT ck_override_decision_outcome CHECK (outcome IN ('approved', 'declined')),
    CONSTRAINT ck_override_decision_fresh
        CHECK (decided_at - reauthenticated_at BETWEEN interval '0' AND interval '5 minutes'),
    CONSTRAINT ck_override_decision_life CHECK (CASE outcome
        WHEN 'approved' THEN expires_at IS NOT NULL AND expires_at - decided_at = interval '60 minutes'
        ELSE expires_at IS NULL END)
);
CREATE INDEX ix_override_decision_clinic_id_order_id ON override_decision (clinic_id, order_id);
CREATE INDEX ix_override_decision_clinic_id_decided_at ON override_decision (clinic_id, decided_at);

-- What the medical director found afterwards. Whoever asked does not judge it.
CREATE TABLE override_review (
    clinic_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    justified BOOLEAN NOT NULL,
    sealed_note BYTEA NOT NULL,
    reviewed_by TEXT NOT NULL,
    reviewed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_override_review PRIMARY KEY (clinic_id, request_id),
    CONSTRAINT fk_override_review_decision
        FOREIGN KEY (clinic_id, request_id, requested_by)
        REFERENCES override_decision (clinic_id, request_id, requested_by),
    CONSTRAINT fk_override_review_reviewed_by
        FOREIGN KEY (clinic_id, reviewed_by) REFERENCES staff_user (clinic_id, id),
    CONSTRAINT ck_override_review_two_people CHECK (reviewed_by <> requested_by)
);

-- The start that used an override: one override, one start, of its own patient and order.
ALTER TABLE treatment_start ADD COLUMN override_id TEXT,
    ADD CONSTRAINT fk_treatment_start_override
        FOREIGN KEY (clinic_id, patient_id, order_id, override_id)
        REFERENCES override_decision (clinic_id, patient_id, order_id, request_id),
    ADD CONSTRAINT ck_treatment_start_one_basis CHECK (recommendation_id IS NULL OR override_id IS NULL);
CREATE UNIQUE INDEX uq_treatment_start_override ON treatment_start (clinic_id, override_id)
    WHERE override_id IS NOT NULL;

ALTER TABLE override_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE override_request FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON override_request USING (clinic_id = current_clinic());
ALTER TABLE override_decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE override_decision FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON override_decision USING (clinic_id = current_clinic());
ALTER TABLE override_review ENABLE ROW LEVEL SECURITY;
ALTER TABLE override_review FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON override_review USING (clinic_id = current_clinic());
-- Requests and decisions are written by the functions below alone.
GRANT SELECT ON override_request, override_decision, override_review TO referral_app;
GRANT INSERT ON override_review TO referral_app;

-- Asking moves the gate's version as well as deciding: both are on record in its order of events.
CREATE TRIGGER move_gate BEFORE INSERT ON override_request FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON override_decision FOR EACH ROW EXECUTE FUNCTION move_gate();

-- As in 0001_gate.sql, and: where clinic policy allows it, an override stands in for the recommendation. Of an order at
-- most one is usable at a time (override_ask). `p_start` is a start that is being checked: what it used itself is
-- not used up for it.
DROP FUNCTION gate_check(text, timestamptz);
CREATE FUNCTION gate_check(p_order text, p_at timestamptz, p_start text DEFAULT NULL, OUT refusals text[],
                           OUT recommendation_id text, OUT override_id text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_status text;
    v_policy policy_version%ROWTYPE;
    v_needed text[];
    v_unclassified integer;
    v_indications integer;
BEGIN
    refusals := '{}';
    SELECT o.status INTO v_status FROM infusion_order o WHERE o.clinic_id = current_clinic() AND o.id = p_order;
    IF v_status IS NULL THEN
        refusals := '{order-unknown}';
        RETURN;
    END IF;
    IF v_status NOT IN ('on-hold', 'active') THEN
        refusals := refusals || 'order-not-in-use'::text;
    END IF;
    IF NOT EXISTS (SELECT FROM consultation c WHERE c.clinic_id = current_clinic() AND c.order_id = p_order
                   AND c.held_at <= p_at) THEN
        refusals := refusals || 'consultation-missing'::text;
    END IF;
    SELECT * INTO v_policy FROM policy_version p WHERE p.clinic_id = current_clinic() ORDER BY p.version DESC LIMIT 1;
    IF v_policy.version IS NULL THEN
        refusals := refusals || 'policy-missing'::text;
        RETURN;
    END IF;
    SELECT count(*), count(*) FILTER (WHERE k.class IS NULL),
           coalesce(array_agg(k.code) FILTER (WHERE k.class = 'mental-health'), '{}')
      INTO v_indications, v_unclassified, v_needed
      FROM (SELECT i.code, indication_class(v_policy.version, i.system, i.code) AS class
            FROM order_indication i WHERE i.clinic_id = current_clinic() AND i.order_id = p_order) k;
    IF v_indications = 0 OR v_unclassified > 0 THEN
        refusals := refusals || 'indication-unclassified'::text;
        RETURN;
    END IF;
    IF cardinality(v_needed) = 0 THEN
        RETURN;
    END IF;
    SELECT r.id INTO recommendation_id
      FROM recommendation r
      LEFT JOIN LATERAL (SELECT v.accepted FROM recommendation_review v
                         WHERE v.clinic_id = r.clinic_id AND v.recommendation_id = r.id
                         ORDER BY v.id DESC LIMIT 1) review ON true
     WHERE r.clinic_id = current_clinic() AND r.order_id = p_order
       AND r.decision IN ('recommended', 'recommended-with-conditions')
       AND r.covers @> v_needed
       AND r.clinician_kind = ANY (v_policy.eligible)
       AND r.valid_until > p_at
       AND NOT EXISTS (SELECT FROM recommendation_void x
                       WHERE x.clinic_id = r.clinic_id AND x.recommendation_id = r.id)
       AND review.accepted IS DISTINCT FROM false
       AND (r.strength = ANY (v_policy.counts_at_once)
            OR EXISTS (SELECT FROM recommendation_confirmation f
                       WHERE f.clinic_id = r.clinic_id AND f.recommendation_id = r.id))
       AND (review.accepted IS TRUE
            OR NOT ((r.decision = 'recommended-with-conditions' AND v_policy.conditions_need_director)
                    OR (cardinality(r.red_flags) > 0 AND v_policy.red_flags_need_director)))
     ORDER BY r.valid_until DESC LIMIT 1;
    IF recommendation_id IS NOT NULL THEN
        RETURN;
    END IF;
    IF v_policy.allow_override THEN
        SELECT d.request_id INTO override_id
          FROM override_decision d
         WHERE d.clinic_id = current_clinic() AND d.order_id = p_order
           AND d.outcome = 'approved' AND d.expires_at > p_at
           AND NOT EXISTS (SELECT FROM treatment_start s
                           WHERE s.clinic_id = d.clinic_id AND s.override_id = d.request_id
                             AND s.id IS DISTINCT FROM p_start)
         ORDER BY d.expires_at, d.request_id LIMIT 1;
    END IF;
    IF override_id IS NULL THEN
        refusals := refusals || 'recommendation-missing'::text;
    END IF;
END
$$;

-- As in 0001_gate.sql; `override_id` is the override that this start has used up, NULL for an ordinary one.
DROP FUNCTION gate_start(text, text, text, text, text, text, text, text);
CREATE FUNCTION gate_start(p_start text, p_order text, p_patient text, p_actor_kind text, p_actor_id text,
                           p_actor_role text, p_address text, p_request_id text)
    RETURNS TABLE (started_at timestamptz, recommendation_id text, override_id text) LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_version bigint;
    v_check record;
BEGIN
    SELECT g.version INTO v_version FROM gate g
     WHERE g.clinic_id = current_clinic() AND g.order_id = p_order AND g.patient_id = p_patient FOR UPDATE;
    IF v_version IS NULL THEN
        PERFORM refuse_start('{order-unknown}');
    END IF;
    -- A new policy updates this row; it must not slip in between the check and the commit.
    PERFORM FROM clinic c WHERE c.clinic_id = current_clinic() FOR SHARE;
    started_at := clock_timestamp();
    v_check := gate_check(p_order, started_at);
    IF v_check.refusals IS NULL OR cardinality(v_check.refusals) > 0 THEN
        PERFORM refuse_start(coalesce(v_check.refusals, '{unknown}'));
    END IF;
    recommendation_id := v_check.recommendation_id;
    override_id := v_check.override_id;
    IF override_id IS NOT NULL THEN
        -- Using it up closes the order again, and whatever closes an order moves the version first.
        UPDATE gate g SET version = g.version + 1
         WHERE g.clinic_id = current_clinic() AND g.order_id = p_order RETURNING g.version INTO v_version;
    END IF;
    INSERT INTO treatment_start (clinic_id, id, patient_id, order_id, recommendation_id, override_id, gate_version,
                                 started_by, started_at)
        VALUES (current_clinic(), p_start, p_patient, p_order, recommendation_id, override_id, v_version, p_actor_id,
                started_at);
    INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype, entity,
                             patient_id, detail)
        VALUES (current_clinic(), p_actor_kind, p_actor_id, p_actor_role, p_address, p_request_id, 'E', 'gate-start',
                'ServiceRequest/' || p_order, p_patient,
                jsonb_build_object('procedure', p_start, 'recommendation', recommendation_id, 'gate_version', v_version)
                || CASE WHEN override_id IS NULL THEN '{}' ELSE jsonb_build_object('override', override_id) END);
    RETURN NEXT;
END
$$;

-- The same check again for a row that came by another way, and once more at commit for expiry. A start that rests on
-- an override has to use it up, and no other.
CREATE OR REPLACE FUNCTION check_start() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_check record;
BEGIN
    v_check := gate_check(NEW.order_id, clock_timestamp(), NEW.id);
    IF NEW.clinic_id IS DISTINCT FROM current_clinic() OR v_check.refusals IS NULL OR cardinality(v_check.refusals) > 0
       OR v_check.override_id IS DISTINCT FROM NEW.override_id THEN
        PERFORM refuse_start(CASE WHEN cardinality(v_check.refusals) > 0 THEN v_check.refusals
                                  ELSE '{override-not-used}' END);
    END IF;
    RETURN NEW;
END
$$;

-- As in 0001_gate.sql, and the overrides of the order, of which there are hardly ever any.
CREATE OR REPLACE FUNCTION gate_facts(p_order text) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT jsonb_build_object(
        'patient_id', o.patient_id,
        'status', o.status,
        'indications', (SELECT coalesce(jsonb_agg(jsonb_build_array(i.system, i.code, i.display) ORDER BY i.position), '[]')
                        FROM order_indication i WHERE i.clinic_id = o.clinic_id AND i.order_id = o.id),
        'consulted', (SELECT c.encounter_id FROM consultation c WHERE c.clinic_id = o.clinic_id AND c.order_id = o.id
                      AND c.held_at <= clock_timestamp() ORDER BY c.held_at DESC LIMIT 1),
        'open_requests', (SELECT count(*) FROM referral f WHERE f.clinic_id = o.clinic_id AND f.order_id = o.id
                          AND f.closed_at IS NULL),
        'policy', (SELECT max(p.version) FROM policy_version p WHERE p.clinic_id = o.clinic_id),
        'overrides', (SELECT jsonb_agg(jsonb_build_object(
                          'id', d.request_id, 'expires_at', d.expires_at,
                          'used', EXISTS (SELECT FROM treatment_start s WHERE s.clinic_id = d.clinic_id
                                          AND s.override_id = d.request_id))
                          ORDER BY d.expires_at, d.request_id)
                      FROM override_decision d WHERE d.clinic_id = o.clinic_id AND d.order_id = o.id
                      AND d.outcome = 'approved'),
        'recommendations', (
            SELECT coalesce(jsonb_agg(jsonb_build_object(
                'id', r.id, 'decision', r.decision, 'kind', r.clinician_kind, 'strength', r.strength,
                'answered_at', r.answered_at, 'valid_until', r.valid_until, 'covers', r.covers,
                'has_red_flags', cardinality(r.red_flags) > 0,
                'review', (SELECT v.accepted FROM recommendation_review v WHERE v.clinic_id = r.clinic_id
                           AND v.recommendation_id = r.id ORDER BY v.id DESC LIMIT 1),
                'confirmed', EXISTS (SELECT FROM recommendation_confirmation f WHERE f.clinic_id = r.clinic_id
                                     AND f.recommendation_id = r.id),
                'voided', EXISTS (SELECT FROM recommendation_void x WHERE x.clinic_id = r.clinic_id
                                  AND x.recommendation_id = r.id))
                ORDER BY r.valid_until DESC, r.id), '[]')
            FROM recommendation r WHERE r.clinic_id = o.clinic_id AND r.order_id = o.id))
    FROM infusion_order o WHERE o.clinic_id = current_clinic() AND o.id = p_order
$$;

CREATE FUNCTION refuse_override(p_code text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no override' USING ERRCODE = 'RG002', DETAIL = p_code;
END
$$;

-- Who is behind a session: an active member of staff in one of the roles who gave the password in the last 5 minutes.
CREATE FUNCTION override_person(p_session bytea, p_roles text[], p_at timestamptz, OUT user_id text, OUT role text,
                                OUT reauthenticated_at timestamptz)
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    SELECT u.id, u.role, s.reauthenticated_at INTO user_id, role, reauthenticated_at
      FROM staff_session s JOIN staff_user u ON u.clinic_id = s.clinic_id AND u.id = s.user_id
     WHERE s.clinic_id = current_clinic() AND s.token_digest = p_session AND s.ended_at IS NULL AND u.active;
    IF user_id IS NULL OR role <> ALL (p_roles) THEN
        PERFORM refuse_override('not-allowed');
    END IF;
    IF reauthenticated_at IS NULL OR reauthenticated_at > p_at
       OR p_at - reauthenticated_at > interval '5 minutes' THEN
        PERFORM refuse_override('not-reauthenticated');
    END IF;
END
$$;

-- Only a missing recommendation can be overridden, and only where clinic policy allows it.
CREATE FUNCTION override_needed(p_order text, p_at timestamptz) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_refusals text[];
BEGIN
    IF (SELECT p.allow_override FROM policy_version p WHERE p.clinic_id = current_clinic()
        ORDER BY p.version DESC LIMIT 1) IS NOT TRUE THEN
        PERFORM refuse_override('off');
    END IF;
    v_refusals := (gate_check(p_order, p_at)).refusals;
    IF cardinality(v_refusals) = 0 THEN
        PERFORM refuse_override('not-needed');
    ELSIF v_refusals IS DISTINCT FROM '{recommendation-missing}' THEN
        PERFORM refuse_override('not-enough');
    END IF;
END
$$;

-- Somebody asks for an override. Raises RG002 with the reason in DETAIL. The caller has checked the words and the password.
CREATE FUNCTION override_ask(p_request text, p_order text, p_patient text, p_session bytea, p_reason_code text,
                             p_sealed_reason bytea, p_address text, p_request_id text)
    RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_person record;
    v_at timestamptz;
BEGIN
    PERFORM FROM gate g WHERE g.clinic_id = current_clinic() AND g.order_id = p_order AND g.patient_id = p_patient
        FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM refuse_override('order-unknown');
    END IF;
    PERFORM FROM clinic c WHERE c.clinic_id = current_clinic() FOR SHARE;
    v_at := clock_timestamp();
    v_person := override_person(p_session, '{clinician,medical-director}', v_at);
    PERFORM override_needed(p_order, v_at);
    IF EXISTS (SELECT FROM override_request r WHERE r.clinic_id = current_clinic() AND r.order_id = p_order
               AND v_at - r.requested_at < interval '60 minutes'
               AND NOT EXISTS (SELECT FROM override_decision d
                               WHERE d.clinic_id = r.clinic_id AND d.request_id = r.id)) THEN
        PERFORM refuse_override('asked-already');
    END IF;
    INSERT INTO override_request (clinic_id, id, patient_id, order_id, reason_code, sealed_reason, requested_by,
                                  reauthenticated_at, requested_at)
        VALUES (current_clinic(), p_request, p_patient, p_order, p_reason_code, p_sealed_reason, v_person.user_id,
                v_person.reauthenticated_at, v_at);
    INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype, entity,
                             patient_id, detail)
        VALUES (current_clinic(), 'staff', v_person.user_id, v_person.role, p_address, p_request_id, 'C',
                'override-asked', 'ServiceRequest/' || p_order, p_patient,
                jsonb_build_object('override', p_request, 'reason', p_reason_code));
    RETURN v_at;
END
$$;

-- A medical director other than the one who asked approves or declines; returns until when a start may use it.
CREATE FUNCTION override_decide(p_request text, p_session bytea, p_approve boolean, p_address text, p_request_id text)
    RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_person record;
    v_request override_request%ROWTYPE;
    v_at timestamptz;
    v_until timestamptz;
BEGIN
    SELECT * INTO v_request FROM override_request r WHERE r.clinic_id = current_clinic() AND r.id = p_request;
    IF v_request.id IS NULL THEN
        PERFORM refuse_override('request-unknown');
    END IF;
    PERFORM FROM gate g WHERE g.clinic_id = current_clinic() AND g.order_id = v_request.order_id FOR UPDATE;
    PERFORM FROM clinic c WHERE c.clinic_id = current_clinic() FOR SHARE;
    v_at := clock_timestamp();
    v_person := override_person(p_session, '{medical-director}', v_at);
    IF v_person.user_id = v_request.requested_by THEN
        PERFORM refuse_override('same-person');
    END IF;
    IF EXISTS (SELECT FROM override_decision d WHERE d.clinic_id = current_clinic() AND d.request_id = p_request) THEN
        PERFORM refuse_override('decided-already');
    END IF;
    IF v_at - v_request.requested_at >= interval '60 minutes' THEN
        PERFORM refuse_override('lapsed');
    END IF;
    IF p_approve THEN
        PERFORM override_needed(v_request.order_id, v_at);
        v_until := v_at + interval '60 minutes';
    END IF;
    INSERT INTO override_decision (clinic_id, request_id, patient_id, order_id, requested_by, decided_by, outcome,
                                   reauthenticated_at, decided_at, expires_at)
        VALUES (current_clinic(), p_request, v_request.patient_id, v_request.order_id, v_request.requested_by,
                v_person.user_id, CASE WHEN p_approve THEN 'approved' ELSE 'declined' END,
                v_person.reauthenticated_at, v_at, v_until);
    INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype, entity,
                             patient_id, detail)
        VALUES (current_clinic(), 'staff', v_person.user_id, v_person.role, p_address, p_request_id, 'E',
                CASE WHEN p_approve THEN 'override-approved' ELSE 'override-declined' END,
                'ServiceRequest/' || v_request.order_id, v_request.patient_id,
                jsonb_build_object('override', p_request, 'expires_at', v_until));
    RETURN v_until;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gate_check(text, timestamptz, text),
    gate_start(text, text, text, text, text, text, text, text),
    override_ask(text, text, text, bytea, text, bytea, text, text),
    override_decide(text, bytea, boolean, text, text) TO referral_app;
