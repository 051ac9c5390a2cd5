-- After a restore: what mode each clinic is in, and the events that are exported so that a backup cannot undo them.
-- docs/adr/0008 says why it is built like this.

CREATE TABLE operating_mode (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event TEXT NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_operating_mode PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_operating_mode_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_operating_mode_event CHECK (event IN ('installed', 'entered', 'reconciled', 'approved', 'reopened'))
);

-- Facts that must survive a restore: ids and codes only. `position` is the place in the exported stream.
CREATE TABLE safety_event (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    event_id UUID DEFAULT gen_random_uuid() NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    position BIGINT,
    CONSTRAINT pk_safety_event PRIMARY KEY (clinic_id, id)
);
CREATE UNIQUE INDEX uq_safety_event_position ON safety_event (clinic_id, position) WHERE position IS NOT NULL;
CREATE INDEX ix_safety_event_waiting ON safety_event (clinic_id, id) WHERE position IS NULL;

ALTER TABLE operating_mode ENABLE ROW LEVEL SECURITY;
ALTER TABLE operating_mode FORCE ROW LEVEL SECURITY;
ALTER TABLE safety_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE safety_event FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON operating_mode USING (clinic_id = current_clinic());
CREATE POLICY own_clinic ON safety_event USING (clinic_id = current_clinic());
-- Holds no patient data, and the portal, which does not know the clinic of a link yet, has to ask.
CREATE POLICY every_clinic ON operating_mode FOR SELECT USING (true);
GRANT SELECT ON operating_mode, safety_event TO referral_app;
GRANT INSERT (clinic_id, event, made_by, reason, detail) ON operating_mode TO referral_app;
GRANT INSERT (clinic_id, kind, subject, detail) ON safety_event TO referral_app;
GRANT UPDATE (position) ON safety_event TO referral_app;

-- Which database this is: a dump that is loaded elsewhere, or again, is another one.
CREATE FUNCTION database_place() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     (SELECT oid FROM pg_database WHERE datname = current_database()),
                     'public.operating_mode'::regclass::oid)
$$;

-- No row is a reason to stay closed.
CREATE FUNCTION is_restoring() RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_event text;
BEGIN
    SELECT m.event INTO v_event FROM operating_mode m WHERE m.clinic_id = current_clinic() ORDER BY m.id DESC LIMIT 1;
    RETURN v_event IS NULL OR v_event NOT IN ('installed', 'reopened');
END
$$;

-- The advice says so too: the facts of an order carry `restoring` while the mode lasts.
ALTER FUNCTION gate_facts(text) RENAME TO gate_facts_of_order;
CREATE FUNCTION gate_facts(p_order text) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF is_restoring() THEN
        RETURN gate_facts_of_order(p_order) || '{"restoring": true}';
    END IF;
    RETURN gate_facts_of_order(p_order);
END
$$;

-- The only ways through: entered → reconciled → approved by two people, a medical director among them → reopened.
CREATE FUNCTION order_of_modes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_last text;
    v_since bigint;
    v_role text;
    v_directors integer;
    v_people integer;
BEGIN
    -- A start holds this row: entering the mode waits for it, and the next start waits for us.
    UPDATE clinic SET settings = settings WHERE clinic_id = NEW.clinic_id;
    SELECT m.event INTO v_last FROM operating_mode m WHERE m.clinic_id = NEW.clinic_id ORDER BY m.id DESC LIMIT 1;
    SELECT max(m.id) INTO v_since FROM operating_mode m WHERE m.clinic_id = NEW.clinic_id AND m.event = 'reconciled';
    IF (NEW.event = 'installed' AND v_last IS NOT NULL)
       OR (NEW.event = 'reconciled' AND v_last IN ('installed', 'reopened'))
       OR (NEW.event IN ('approved', 'reopened') AND v_last NOT IN ('reconciled', 'approved')) THEN
        RAISE EXCEPTION '% cannot follow %', NEW.event, coalesce(v_last, 'nothing') USING ERRCODE = 'RG003';
    END IF;
    IF NEW.event = 'approved' THEN
        SELECT u.role INTO v_role FROM staff_user u
         WHERE u.clinic_id = NEW.clinic_id AND u.id = NEW.made_by AND u.active;
        IF v_role IS NULL OR v_role NOT IN ('medical-director', 'admin') OR EXISTS (
            SELECT FROM operating_mode m WHERE m.clinic_id = NEW.clinic_id AND m.id > v_since
               AND m.event = 'approved' AND m.made_by = NEW.made_by) THEN
            RAISE EXCEPTION 'this person cannot approve, or has approved already' USING ERRCODE = 'RG003';
        END IF;
    ELSIF NEW.event = 'reopened' THEN
        SELECT count(DISTINCT m.made_by), count(DISTINCT m.made_by) FILTER (WHERE u.role = 'medical-director')
          INTO v_people, v_directors
          FROM operating_mode m JOIN staff_user u ON u.clinic_id = m.clinic_id AND u.id = m.made_by AND u.active
         WHERE m.clinic_id = NEW.clinic_id AND m.id > v_since AND m.event = 'approved';
        IF v_people < 2 OR v_directors < 1 THEN
            RAISE EXCEPTION 'two people, a medical director among them, have to approve' USING ERRCODE = 'RG003';
        END IF;
    END IF;
    IF NEW.event IN ('installed', 'reopened') THEN
        NEW.detail := NEW.detail || jsonb_build_object('place', database_place());
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER order_of_modes BEFORE INSERT ON operating_mode FOR EACH ROW EXECUTE FUNCTION order_of_modes();

CREATE FUNCTION install_clinic() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO operating_mode (clinic_id, event, made_by) VALUES (NEW.clinic_id, 'installed', 'system');
    RETURN NULL;
END
$$;
CREATE TRIGGER install_clinic AFTER INSERT ON clinic FOR EACH ROW EXECUTE FUNCTION install_clinic();
DO $$
DECLARE
    v_clinic uuid;
BEGIN
    FOR v_clinic IN SELECT c.clinic_id FROM clinic c LOOP
        PERFORM set_config('referral.clinic_id', v_clinic::text, true);
        INSERT INTO operating_mode (clinic_id, event, made_by) VALUES (v_clinic, 'installed', 'system');
    END LOOP;
    PERFORM set_config('referral.clinic_id', '', true);
END
$$;

-- Whatever the rule says, and whoever approved an override: nothing starts in restore mode. An override of before
-- may have been used after the backup was taken, so it is worth nothing afterwards either.
CREATE FUNCTION refuse_while_restoring() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    v_event text;
BEGIN
    SELECT m.event INTO v_event FROM operating_mode m WHERE m.clinic_id = NEW.clinic_id ORDER BY m.id DESC LIMIT 1;
    IF v_event IS NULL OR v_event NOT IN ('installed', 'reopened') THEN
        PERFORM refuse_start('{restore-mode}');
    END IF;
    IF NEW.override_id IS NOT NULL THEN
        IF EXISTS (SELECT FROM override_decision d, operating_mode m
                   WHERE d.clinic_id = NEW.clinic_id AND d.request_id = NEW.override_id
                     AND m.clinic_id = NEW.clinic_id AND m.event = 'reopened' AND m.at > d.decided_at) THEN
            PERFORM refuse_start('{restore-mode}');
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER a_refuse_while_restoring BEFORE INSERT OR UPDATE ON treatment_start
    FOR EACH ROW EXECUTE FUNCTION refuse_while_restoring();

-- note_safety(kind, column of the subject, further columns…)
CREATE FUNCTION note_safety() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
    IF TG_ARGV[0] IN ('voided', 'reviewed', 'closed', 'link-ended') THEN
        PERFORM pg_notify('referral_due', '');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_safety AFTER INSERT ON recommendation FOR EACH ROW
    EXECUTE FUNCTION note_safety('answered', 'id', 'order_id', 'referral_id', 'decision');
CREATE TRIGGER note_safety AFTER INSERT ON recommendation_review FOR EACH ROW
    EXECUTE FUNCTION note_safety('reviewed', 'recommendation_id', 'order_id', 'accepted');
CREATE TRIGGER note_safety AFTER INSERT ON recommendation_void FOR EACH ROW
    EXECUTE FUNCTION note_safety('voided', 'recommendation_id', 'order_id', 'cause');
CREATE TRIGGER note_safety AFTER INSERT ON treatment_start FOR EACH ROW
    EXECUTE FUNCTION note_safety('started', 'id', 'order_id', 'patient_id', 'recommendation_id', 'started_by', 'started_at');
CREATE TRIGGER note_safety AFTER INSERT ON policy_version FOR EACH ROW
    EXECUTE FUNCTION note_safety('policy', 'version');
CREATE TRIGGER note_safety AFTER UPDATE OF closed_at ON referral FOR EACH ROW
    WHEN (OLD.closed_at IS NULL AND NEW.closed_at IS NOT NULL)
    EXECUTE FUNCTION note_safety('closed', 'id', 'number', 'status');
CREATE TRIGGER note_safety AFTER UPDATE OF revoked_at, frozen_at ON portal_credential FOR EACH ROW
    WHEN ((OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) OR (OLD.frozen_at IS NULL AND NEW.frozen_at IS NOT NULL))
    EXECUTE FUNCTION note_safety('link-ended', 'selector', 'referral_id');
CREATE TRIGGER note_safety AFTER UPDATE OF state ON message FOR EACH ROW
    WHEN (NEW.state = 'accepted' AND OLD.state <> 'accepted')
    EXECUTE FUNCTION note_safety('sent', 'id', 'referral_id', 'kind', 'ordinal', 'generation', 'channel', 'contact_id');
CREATE TRIGGER note_safety AFTER UPDATE OF status ON infusion_order FOR EACH ROW
    WHEN (NEW.status NOT IN ('on-hold', 'active') AND OLD.status IN ('on-hold', 'active'))
    EXECUTE FUNCTION note_safety('order-ended', 'id', 'status');
CREATE TRIGGER note_safety AFTER UPDATE OF active ON staff_user FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION note_safety('account-ended', 'id');
CREATE TRIGGER note_safety AFTER UPDATE OF revoked_at ON api_client FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION note_safety('client-ended', 'id');
CREATE TRIGGER note_safety AFTER UPDATE OF removed_at ON cds_client FOR EACH ROW
    WHEN (OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL) EXECUTE FUNCTION note_safety('cds-client-ended', 'id');
CREATE TRIGGER note_safety AFTER UPDATE OF active ON contact FOR EACH ROW
    WHEN (OLD.active AND NOT NEW.active) EXECUTE FUNCTION note_safety('contact-ended', 'id');

REVOKE ALL ON FUNCTION database_place(), is_restoring(), gate_facts(text), order_of_modes(), install_clinic(),
    refuse_while_restoring(), note_safety() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION database_place(), is_restoring(), gate_facts(text) TO referral_app;
