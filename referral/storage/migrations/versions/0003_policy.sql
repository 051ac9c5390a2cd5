-- Policy: what a version may say, that it never changes once it is there, and what follows from a new one.

ALTER TABLE policy_version
    ADD COLUMN allow_override BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN longest_gap_days INTEGER DEFAULT 90 NOT NULL,
    ADD COLUMN reason TEXT DEFAULT '' NOT NULL,
    ADD CONSTRAINT ck_policy_version_gap CHECK (longest_gap_days BETWEEN 1 AND 3660),
    ADD CONSTRAINT ck_policy_version_eligible CHECK (cardinality(eligible) > 0),
    -- Who holds one mailbox is not known well enough: their answer counts after a confirming call only.
    ADD CONSTRAINT ck_policy_version_strength CHECK (NOT 'single-channel' = ANY (counts_at_once));
ALTER TABLE indication_rule
    ADD CONSTRAINT ck_indication_rule_prefix CHECK (
        prefix <> '' AND prefix = btrim(prefix)
        AND (system <> 'http://hl7.org/fhir/sid/icd-10-cm' OR length(prefix) >= 3));

-- How far the orders in use have followed a version. `reached` is the last order that was looked at.
CREATE TABLE policy_rollout (
    clinic_id UUID NOT NULL,
    version INTEGER NOT NULL,
    reached TEXT DEFAULT '' NOT NULL,
    closed INTEGER DEFAULT 0 NOT NULL,
    opened INTEGER DEFAULT 0 NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_policy_rollout PRIMARY KEY (clinic_id, version),
    CONSTRAINT fk_policy_rollout_clinic_id_version_policy_version FOREIGN KEY(clinic_id, version) REFERENCES policy_version (clinic_id, version)
);
CREATE INDEX ix_policy_rollout_unfinished ON policy_rollout (clinic_id, version) WHERE finished_at IS NULL;
ALTER TABLE policy_rollout ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_rollout FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON policy_rollout USING (clinic_id = current_clinic());
GRANT SELECT ON policy_rollout TO referral_app;
GRANT UPDATE (reached, closed, opened, finished_at) ON policy_rollout TO referral_app;

-- Versions follow one another without a gap, and are dated by the database.
CREATE FUNCTION check_policy_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.version IS DISTINCT FROM (SELECT coalesce(max(p.version), 0) + 1 FROM policy_version p
                                     WHERE p.clinic_id = NEW.clinic_id) THEN
        RAISE EXCEPTION 'a policy follows the newest one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.created_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER check_policy_version BEFORE INSERT ON policy_version
    FOR EACH ROW EXECUTE FUNCTION check_policy_version();

-- The rules of a version come in the transaction that makes it; none is added to what people have agreed to.
CREATE FUNCTION check_indication_rule() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM policy_version p WHERE p.clinic_id = NEW.clinic_id AND p.version = NEW.version
                   AND p.created_at = now()) THEN
        RAISE EXCEPTION 'a version of the policy never changes' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_indication_rule BEFORE INSERT ON indication_rule
    FOR EACH ROW EXECUTE FUNCTION check_indication_rule();

-- A clinic's first version finds no orders; every later one is carried through to all of them.
CREATE FUNCTION begin_rollout() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.version > 1 THEN
        INSERT INTO policy_rollout (clinic_id, version) VALUES (NEW.clinic_id, NEW.version);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER begin_rollout AFTER INSERT ON policy_version FOR EACH ROW EXECUTE FUNCTION begin_rollout();

-- Takes the gates of these orders and keeps them until the transaction ends: a new policy locks the clinic, and
-- gates come before it (a start locks its gate, then the clinic). Changes nothing.
CREATE FUNCTION hold_gates(p_orders text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM FROM gate g WHERE g.clinic_id = current_clinic() AND g.order_id = ANY (p_orders)
        ORDER BY g.order_id FOR UPDATE;
END
$$;
REVOKE ALL ON FUNCTION check_policy_version(), check_indication_rule(), begin_rollout(), hold_gates(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hold_gates(text[]) TO referral_app;
