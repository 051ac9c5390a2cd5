-- The ladder as data (docs/adr/0021): a request keeps the ladder that it was asked with; hours and closed days.

-- Until now no version of a policy had another ladder than the first.
ALTER TABLE referral
    ADD COLUMN ladder_version INTEGER DEFAULT 1 NOT NULL,
    ADD COLUMN paused_until DATE,
    ADD COLUMN held_for TEXT,
    ADD CONSTRAINT fk_referral_clinic_id_ladder_version_policy_version
        FOREIGN KEY(clinic_id, ladder_version) REFERENCES policy_version (clinic_id, version);

-- Null: those of the clinic.
ALTER TABLE clinician ADD COLUMN hours JSONB;

CREATE TABLE closure (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    clinician_id TEXT,
    first_on DATE NOT NULL,
    last_on DATE NOT NULL,
    words TEXT DEFAULT '' NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_closure PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_closure_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_closure_clinic_id_clinician_id_clinician FOREIGN KEY(clinic_id, clinician_id) REFERENCES clinician (clinic_id, id),
    CONSTRAINT ck_closure_days CHECK (last_on >= first_on AND last_on - first_on <= 180)
);

CREATE INDEX ix_closure_clinic_id_clinician_id ON closure (clinic_id, clinician_id);

-- Open requests whose plan has to follow a change of hours or closed days; a sweep works through them.
CREATE TABLE replanning (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    clinician_id TEXT,
    reached_order TEXT DEFAULT '' NOT NULL,
    reached_clinician TEXT DEFAULT '' NOT NULL,
    moved INTEGER DEFAULT 0 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_replanning PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_replanning_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_replanning_clinic_id_clinician_id_clinician FOREIGN KEY(clinic_id, clinician_id) REFERENCES clinician (clinic_id, id)
);

CREATE INDEX ix_replanning_unfinished ON replanning (clinic_id, id) WHERE finished_at IS NULL;

-- What the Today board asks for, however many messages went well and however many orders are in use.
CREATE INDEX ix_message_trouble ON message (clinic_id, created_at) WHERE state IN ('failed', 'unknown', 'dead');

CREATE INDEX ix_infusion_order_usable ON infusion_order (clinic_id, first_infusion_on, created_at, id)
    WHERE status IN ('on-hold', 'active');

CREATE INDEX ix_order_indication_clinic_id_system_code ON order_indication (clinic_id, system, code);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{closure,replanning}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, DELETE ON closure TO referral_app;
GRANT UPDATE (last_on) ON closure TO referral_app;
GRANT SELECT, INSERT ON replanning TO referral_app;
GRANT UPDATE (reached_order, reached_clinician, moved, finished_at) ON replanning TO referral_app;
