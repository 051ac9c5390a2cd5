-- The gate: treatment starts are rows that only gate_start() inserts, and the database refuses the wrong ones.
-- The rule is the one of referral/domain/gate.py; a property test compares the two.

CREATE FUNCTION indication_class(p_version integer, p_system text, p_code text) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT r.indication_class FROM indication_rule r
    WHERE r.clinic_id = current_clinic() AND r.version = p_version AND r.system = p_system
      AND CASE WHEN p_system = 'http://hl7.org/fhir/sid/icd-10-cm'
               THEN length(r.prefix) >= 3 AND starts_with(upper(btrim(p_code)), r.prefix)
               ELSE upper(btrim(p_code)) = r.prefix END
    ORDER BY length(r.prefix) DESC LIMIT 1
$$;

-- Why this order may not be treated at a moment; an empty list means open. Anything missing is a reason.
CREATE FUNCTION gate_check(p_order text, p_at timestamptz, OUT refusals text[], OUT recommendation_id text)
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
    IF recommendation_id IS NULL THEN
        refusals := refusals || 'recommendation-missing'::text;
    END IF;
END
$$;

CREATE FUNCTION refuse_start(p_refusals text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'treatment may not start' USING ERRCODE = 'RG001', DETAIL = array_to_string(p_refusals, ' ');
END
$$;

-- Starts treatment or raises RG001 with the reasons in DETAIL. Locks the gate first, then reads the clock and the
-- facts: whatever voids a recommendation updates the same row, so one of the two waits for the other.
CREATE FUNCTION gate_start(p_start text, p_order text, p_patient text, p_actor_kind text, p_actor_id text,
                           p_actor_role text, p_address text, p_request_id text)
    RETURNS TABLE (started_at timestamptz, recommendation_id text) LANGUAGE plpgsql SECURITY DEFINER
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
    INSERT INTO treatment_start (clinic_id, id, patient_id, order_id, recommendation_id, gate_version, started_by, started_at)
        VALUES (current_clinic(), p_start, p_patient, p_order, recommendation_id, v_version, p_actor_id, started_at);
    INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype, entity,
                             patient_id, detail)
        VALUES (current_clinic(), p_actor_kind, p_actor_id, p_actor_role, p_address, p_request_id, 'E', 'gate-start',
                'ServiceRequest/' || p_order, p_patient,
                jsonb_build_object('procedure', p_start, 'recommendation', recommendation_id, 'gate_version', v_version));
    RETURN NEXT;
END
$$;

-- The same check again for a row that came by another way, and once more at commit for expiry.
CREATE FUNCTION check_start() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_check record;
BEGIN
    v_check := gate_check(NEW.order_id, clock_timestamp());
    IF NEW.clinic_id IS DISTINCT FROM current_clinic() OR v_check.refusals IS NULL OR cardinality(v_check.refusals) > 0 THEN
        PERFORM refuse_start(coalesce(v_check.refusals, '{unknown}'));
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_start BEFORE INSERT OR UPDATE ON treatment_start FOR EACH ROW EXECUTE FUNCTION check_start();
CREATE CONSTRAINT TRIGGER check_start_at_commit AFTER INSERT ON treatment_start DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION check_start();

-- Every fact that can open or close an order moves its gate version, which also takes the lock.
CREATE FUNCTION move_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_order text := CASE TG_TABLE_NAME WHEN 'infusion_order' THEN to_jsonb(NEW) ->> 'id' ELSE to_jsonb(NEW) ->> 'order_id' END;
BEGIN
    UPDATE gate SET version = version + 1 WHERE clinic_id = NEW.clinic_id AND order_id = v_order;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no gate for this order' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE FUNCTION make_gate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO gate (clinic_id, order_id, patient_id) VALUES (NEW.clinic_id, NEW.id, NEW.patient_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER make_gate AFTER INSERT ON infusion_order FOR EACH ROW EXECUTE FUNCTION make_gate();
CREATE TRIGGER move_gate AFTER UPDATE OF status ON infusion_order FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON order_indication FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON consultation FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON recommendation FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON recommendation_review FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON recommendation_confirmation FOR EACH ROW EXECUTE FUNCTION move_gate();
CREATE TRIGGER move_gate BEFORE INSERT ON recommendation_void FOR EACH ROW EXECUTE FUNCTION move_gate();

CREATE FUNCTION move_clinic() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE clinic SET settings = settings WHERE clinic_id = NEW.clinic_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER move_clinic BEFORE INSERT ON policy_version FOR EACH ROW EXECUTE FUNCTION move_clinic();
CREATE TRIGGER move_clinic BEFORE INSERT ON indication_rule FOR EACH ROW EXECUTE FUNCTION move_clinic();

-- All that the rule looks at, as one document for referral/domain/gate.py; NULL when there is no such order.
CREATE FUNCTION gate_facts(p_order text) RETURNS jsonb LANGUAGE sql STABLE
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

-- One round trip for the hot read: sets the clinic, writes the audit row, returns the facts. NULL: no such order.
CREATE FUNCTION gate_read(p_clinic uuid, p_order text, p_actor_kind text, p_actor_id text, p_actor_role text,
                          p_address text, p_request_id text)
    RETURNS jsonb LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_facts jsonb;
BEGIN
    PERFORM set_config('referral.clinic_id', p_clinic::text, true),
            -- Advice does not wait for the disk; docs/adr/0006 says what that costs. A start does.
            set_config('synchronous_commit', 'off', true);
    v_facts := gate_facts(p_order);
    IF v_facts IS NOT NULL THEN
        INSERT INTO audit_event (clinic_id, actor_kind, actor_id, actor_role, address, request_id, action, subtype,
                                 entity, patient_id)
            VALUES (p_clinic, p_actor_kind, p_actor_id, p_actor_role, p_address, p_request_id, 'R', 'gate',
                    'ServiceRequest/' || p_order, v_facts ->> 'patient_id');
    END IF;
    RETURN v_facts;
END
$$;

-- Functions are for the application alone; the trigger functions are for nobody to call.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_clinic(), current_key(), indication_class(integer, text, text),
    gate_check(text, timestamptz), gate_start(text, text, text, text, text, text, text, text), gate_facts(text),
    gate_read(uuid, text, text, text, text, text, text) TO referral_app;
