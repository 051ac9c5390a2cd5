-- Clinicians as the national register knows them, and people found by any words in any order (docs/adr/0029).

-- The words that a name is found by: as written, with what punctuation joins as words of their own, and without it.
-- Each key is one word and then all of them, so that the beginning of a word is a range of an index and the rest of
-- what was asked for stands in the same entry. An index of PostgreSQL takes no more than a third of a page.
CREATE FUNCTION search_keys(name text, place text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    WITH loose AS (
        SELECT translate(name, '-/,()''’.', '        ') AS split, translate(name, '''’.', '') AS bare
    ), words AS (
        SELECT DISTINCT word FROM loose, unnest(string_to_array(concat_ws(' ', name, split, bare), ' ')) AS word
        WHERE word <> ''
    )
    SELECT left(concat_ws(' ', word, name, (SELECT CASE WHEN split = name AND bare = name THEN NULL
                                                        ELSE concat_ws(' ', split, bare) END FROM loose),
                          NULLIF(place, '')), 600)
    FROM words
$$;

CREATE TABLE search_key (
    clinic_id UUID NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    CONSTRAINT pk_search_key PRIMARY KEY (clinic_id, kind, key, id),
    CONSTRAINT fk_search_key_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_search_key_kind CHECK (kind IN ('patient', 'clinician'))
);

-- Written by the database itself, so that no way of writing a person can forget it.
CREATE FUNCTION keep_search_keys() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.search_name = OLD.search_name THEN
            RETURN NULL;
        END IF;
        DELETE FROM search_key k WHERE k.clinic_id = OLD.clinic_id AND k.kind = TG_TABLE_NAME AND k.id = OLD.id
            AND k.key IN (SELECT search_keys(OLD.search_name, ''));
    END IF;
    INSERT INTO search_key (clinic_id, kind, id, key)
        SELECT NEW.clinic_id, TG_TABLE_NAME, NEW.id, key FROM search_keys(NEW.search_name, '') AS key
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_search_keys AFTER INSERT OR UPDATE ON patient FOR EACH ROW EXECUTE FUNCTION keep_search_keys();
CREATE TRIGGER keep_search_keys AFTER INSERT OR UPDATE ON clinician FOR EACH ROW EXECUTE FUNCTION keep_search_keys();

-- Those who are there already, of all clinics at once: the owner sees them only while the fence is not forced.
ALTER TABLE patient NO FORCE ROW LEVEL SECURITY;
ALTER TABLE clinician NO FORCE ROW LEVEL SECURITY;
INSERT INTO search_key (clinic_id, kind, id, key)
    SELECT p.clinic_id, 'patient', p.id, key FROM patient p, search_keys(p.search_name, '') AS key
    ON CONFLICT DO NOTHING;
INSERT INTO search_key (clinic_id, kind, id, key)
    SELECT c.clinic_id, 'clinician', c.id, key FROM clinician c, search_keys(c.search_name, '') AS key
    ON CONFLICT DO NOTHING;
ALTER TABLE patient FORCE ROW LEVEL SECURITY;
ALTER TABLE clinician FORCE ROW LEVEL SECURITY;

ALTER TABLE search_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_key FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON search_key USING (clinic_id = current_clinic());
GRANT SELECT, INSERT, DELETE ON search_key TO referral_app;

-- LIKE goes by no index behind a fence (it is not leakproof); these serve the lists, which are sorted by name.
DROP INDEX ix_patient_search_name;
DROP INDEX ix_clinician_search_name;
CREATE INDEX ix_patient_search_name ON patient (clinic_id, search_name, id);
CREATE INDEX ix_clinician_search_name ON clinician (clinic_id, search_name, id);
CREATE INDEX ix_patient_clinic_id_birth_date ON patient (clinic_id, birth_date);

-- The national register (CMS NPPES): public data about clinicians and practices, the same for every clinic of the
-- installation, so without a clinic and without a fence. Nothing here says whom a clinic knows or asks.
CREATE TABLE npi_record (
    npi TEXT NOT NULL,
    -- '1' a person, '2' an organization, '' unknown: of a deactivated NPI CMS publishes nothing else.
    entity TEXT NOT NULL,
    family TEXT NOT NULL,
    given TEXT NOT NULL,
    middle TEXT NOT NULL,
    credentials TEXT NOT NULL,
    organization TEXT NOT NULL,
    -- NUCC codes, the primary one first.
    taxonomies TEXT[] NOT NULL,
    kind TEXT NOT NULL,
    address TEXT[] NOT NULL,
    state TEXT NOT NULL,
    phone TEXT NOT NULL,
    fax TEXT NOT NULL,
    last_updated DATE,
    deactivated_on DATE,
    search_name TEXT NOT NULL,
    search_place TEXT NOT NULL,
    -- The day that the file stands for which this came from: an older file changes nothing.
    as_of DATE NOT NULL,
    CONSTRAINT pk_npi_record PRIMARY KEY (npi)
);

-- No foreign key: checking it costs as much as the rest of the import, and records are never taken away.
CREATE TABLE npi_key (
    key TEXT COLLATE "C" NOT NULL,
    npi TEXT NOT NULL,
    CONSTRAINT pk_npi_key PRIMARY KEY (key, npi)
);

-- How far each file was read, written together with what was read: where it breaks off, the next run goes on.
CREATE TABLE npi_import (
    id TEXT NOT NULL,
    file_name TEXT NOT NULL,
    as_of DATE NOT NULL,
    position BIGINT DEFAULT 0 NOT NULL,
    scanned INTEGER DEFAULT 0 NOT NULL,
    kept INTEGER DEFAULT 0 NOT NULL,
    changed INTEGER DEFAULT 0 NOT NULL,
    bad INTEGER DEFAULT 0 NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_npi_import PRIMARY KEY (id)
);

GRANT SELECT, INSERT, UPDATE ON npi_record, npi_import TO referral_app;
GRANT SELECT, INSERT, DELETE ON npi_key TO referral_app;
