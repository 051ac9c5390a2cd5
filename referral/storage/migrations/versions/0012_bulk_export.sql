-- Exports of many resources (docs/adr/0017).

CREATE TABLE bulk_export (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    client_id TEXT NOT NULL,
    scopes TEXT[] DEFAULT '{}' NOT NULL,
    request TEXT NOT NULL,
    types TEXT[] DEFAULT '{}' NOT NULL,
    only_patients BOOLEAN DEFAULT false NOT NULL,
    patients TEXT[] DEFAULT '{}' NOT NULL,
    elements TEXT[] DEFAULT '{}' NOT NULL,
    since TIMESTAMP WITH TIME ZONE,
    address TEXT,
    request_id TEXT,
    state TEXT DEFAULT 'queued' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    crashes INTEGER DEFAULT 0 NOT NULL,
    resources INTEGER DEFAULT 0 NOT NULL,
    polls INTEGER DEFAULT 0 NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    transaction_time TIMESTAMP WITH TIME ZONE,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    error TEXT,
    CONSTRAINT pk_bulk_export PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_bulk_export_clinic_id_api_client FOREIGN KEY(clinic_id, client_id) REFERENCES api_client (clinic_id, id),
    CONSTRAINT ck_bulk_export_state CHECK (state IN ('queued', 'running', 'completed', 'failed'))
);

CREATE INDEX ix_bulk_export_clinic_id_client_id ON bulk_export (clinic_id, client_id);

CREATE INDEX ix_bulk_export_clinic_id_state_created_at ON bulk_export (clinic_id, state, created_at);

-- A file is what its parts are in order: each is packed and encrypted as documents are. Parts of an attempt that was
-- given up are never read, and go when the next one begins.
CREATE TABLE bulk_export_part (
    clinic_id UUID NOT NULL,
    export_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    file INTEGER NOT NULL,
    part INTEGER NOT NULL,
    type TEXT NOT NULL,
    resources INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sealed_content BYTEA NOT NULL,
    CONSTRAINT pk_bulk_export_part PRIMARY KEY (clinic_id, export_id, attempt, file, part),
    CONSTRAINT fk_bulk_export_part_clinic_id_bulk_export FOREIGN KEY(clinic_id, export_id) REFERENCES bulk_export (clinic_id, id) ON DELETE CASCADE
);

-- Whose data is in it, for the accounting of disclosures.
CREATE TABLE bulk_export_patient (
    clinic_id UUID NOT NULL,
    export_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    patient_id TEXT NOT NULL,
    resources INTEGER NOT NULL,
    CONSTRAINT pk_bulk_export_patient PRIMARY KEY (clinic_id, export_id, attempt, patient_id),
    CONSTRAINT fk_bulk_export_patient_clinic_id_bulk_export FOREIGN KEY(clinic_id, export_id) REFERENCES bulk_export (clinic_id, id) ON DELETE CASCADE
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{bulk_export,bulk_export_part,bulk_export_patient}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;

-- Copies for one client, for a day: unlike the resources that they were made of, they are deleted.
GRANT SELECT, INSERT, DELETE ON bulk_export, bulk_export_part, bulk_export_patient TO referral_app;
GRANT UPDATE (state, attempts, crashes, resources, polls, lease_until, transaction_time, expires_at, error)
    ON bulk_export TO referral_app;
GRANT UPDATE (resources) ON bulk_export_patient TO referral_app;

CREATE TRIGGER ring AFTER INSERT ON bulk_export FOR EACH STATEMENT EXECUTE FUNCTION ring();
