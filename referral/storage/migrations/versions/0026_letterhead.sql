-- How a clinic's letters look (docs/adr/0031): every version is kept, the newest stands with the clinic, where every letter reads
-- it. And what a seal can be looked up by, for whoever holds the sealed record.

-- Logos as they were accepted: checked, cleaned and drawn once. `fax` is black on white, null where little would be left of it;
-- `picture` is for pages.
CREATE TABLE letterhead_logo (
    clinic_id UUID NOT NULL,
    digest TEXT NOT NULL,
    content_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    fax BYTEA,
    picture BYTEA NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_letterhead_logo PRIMARY KEY (clinic_id, digest),
    CONSTRAINT fk_letterhead_logo_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_letterhead_logo_type CHECK (content_type IN ('image/png', 'image/jpeg', 'image/svg+xml')),
    CONSTRAINT ck_letterhead_logo_size CHECK (octet_length(content) <= 524288 AND octet_length(picture) <= 524288)
);

CREATE TABLE letterhead_version (
    clinic_id UUID NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    body JSONB NOT NULL,
    logo TEXT,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_letterhead_version PRIMARY KEY (clinic_id, version),
    CONSTRAINT fk_letterhead_version_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_letterhead_version_clinic_id_logo_letterhead_logo FOREIGN KEY(clinic_id, logo) REFERENCES letterhead_logo (clinic_id, digest)
);

CREATE TABLE sealed_record (
    clinic_id UUID NOT NULL,
    reference TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sealed_record PRIMARY KEY (clinic_id, reference),
    CONSTRAINT fk_sealed_record_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);
CREATE INDEX ix_sealed_record_reference ON sealed_record (reference);
CREATE INDEX ix_sealed_record_sha256 ON sealed_record (sha256);

-- What there is already: the letterhead of every clinic, and the records that were sealed.
INSERT INTO letterhead_version (clinic_id, version, name, body, created_by, created_at)
    SELECT clinic_id, 1, name, letterhead, 'system', created_at FROM clinic;
DO $$
DECLARE
    one uuid;
BEGIN
    FOR one IN SELECT clinic_id FROM clinic LOOP
        PERFORM set_config('referral.clinic_id', one::text, true);
        INSERT INTO sealed_record (clinic_id, reference, sha256, sealed_at)
            SELECT clinic_id, id, encode(sha256, 'hex'), created_at FROM document WHERE clinic_id = one AND kind = 'receipt';
    END LOOP;
    PERFORM set_config('referral.clinic_id', '', true);
END
$$;

-- A clinic starts with its first version.
CREATE FUNCTION begin_letterhead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO letterhead_version (clinic_id, version, name, body, created_by)
        VALUES (NEW.clinic_id, 1, NEW.name, NEW.letterhead, 'system');
    RETURN NULL;
END
$$;
CREATE TRIGGER begin_letterhead AFTER INSERT ON clinic FOR EACH ROW EXECUTE FUNCTION begin_letterhead();

-- Versions follow one another without a gap, and the newest is the clinic's letterhead: nothing else writes there.
CREATE FUNCTION take_letterhead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.version IS DISTINCT FROM (SELECT coalesce(max(v.version), 0) + 1 FROM letterhead_version v
                                     WHERE v.clinic_id = NEW.clinic_id) THEN
        RAISE EXCEPTION 'a letterhead follows the newest one' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.created_at := now();
    IF NEW.version > 1 THEN
        UPDATE clinic SET name = NEW.name,
            letterhead = CASE WHEN NEW.logo IS NULL THEN NEW.body ELSE NEW.body || jsonb_build_object('logo', NEW.logo) END
            WHERE clinic_id = NEW.clinic_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER take_letterhead BEFORE INSERT ON letterhead_version FOR EACH ROW EXECUTE FUNCTION take_letterhead();

-- Whatever writes a sealed record, it can be looked up from then on.
CREATE FUNCTION note_sealed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO sealed_record (clinic_id, reference, sha256, sealed_at)
        VALUES (NEW.clinic_id, NEW.id, encode(NEW.sha256, 'hex'), NEW.created_at);
    RETURN NULL;
END
$$;
CREATE TRIGGER note_sealed AFTER INSERT ON document FOR EACH ROW WHEN (NEW.kind = 'receipt') EXECUTE FUNCTION note_sealed();
REVOKE ALL ON FUNCTION begin_letterhead(), take_letterhead(), note_sealed() FROM PUBLIC;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{letterhead_logo,letterhead_version,sealed_record}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;
-- Whoever shows the reference or the digest of a record may learn whose seal it has, and when it was made (docs/adr/0004).
CREATE POLICY shown_key ON sealed_record FOR SELECT USING (reference = current_key() OR sha256 = current_key());

GRANT SELECT, INSERT ON letterhead_version TO referral_app;
GRANT SELECT, INSERT, DELETE ON letterhead_logo TO referral_app;
GRANT SELECT ON sealed_record TO referral_app;
REVOKE UPDATE (name, letterhead) ON clinic FROM referral_app;
