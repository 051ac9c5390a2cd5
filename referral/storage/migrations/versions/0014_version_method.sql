-- Histories say with what request a version was written. Empty is the usual way: POST for the first version,
-- PUT for the others; only what differs is kept.
ALTER TABLE resource ADD COLUMN method text CHECK (method = 'PATCH');
ALTER TABLE resource_history ADD COLUMN method text CHECK (method = 'PATCH');

CREATE OR REPLACE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NEW.version <> OLD.version + 1 OR NEW.type <> OLD.type OR NEW.id <> OLD.id OR NEW.clinic_id <> OLD.clinic_id THEN
        RAISE EXCEPTION 'a resource is changed by writing its next version' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO resource_history (clinic_id, type, id, version, body, last_updated, method)
        VALUES (OLD.clinic_id, OLD.type, OLD.id, OLD.version, OLD.body, OLD.last_updated, OLD.method);
    RETURN NEW;
END
$$;
