-- How staff sign in: a link to set a password with, a second factor, codes for the day its device is lost.
-- A secret without `second_factor_at` was offered and not confirmed yet. `second_factor_step` is the last half minute
-- of which a code was taken. Recovery codes are digests; a used one is gone.
ALTER TABLE staff_user ADD COLUMN last_sign_in_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE staff_user ADD COLUMN set_up_digest BYTEA;
ALTER TABLE staff_user ADD COLUMN set_up_expires_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE staff_user ADD COLUMN second_factor_secret BYTEA;
ALTER TABLE staff_user ADD COLUMN second_factor_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE staff_user ADD COLUMN second_factor_step BIGINT;
ALTER TABLE staff_user ADD COLUMN recovery_codes TEXT[] DEFAULT '{}' NOT NULL;
ALTER TABLE staff_user ADD CONSTRAINT uq_staff_user_set_up_digest UNIQUE (set_up_digest);
ALTER TABLE staff_user ADD CONSTRAINT ck_staff_user_set_up CHECK ((set_up_digest IS NULL) = (set_up_expires_at IS NULL));
ALTER TABLE staff_user ADD CONSTRAINT ck_staff_user_second_factor
    CHECK (second_factor_secret IS NOT NULL OR (second_factor_at IS NULL AND second_factor_step IS NULL AND recovery_codes = '{}'));

-- Whoever shows the link may learn whose it is, as with the other keys (docs/adr/0004).
CREATE POLICY shown_set_up ON staff_user FOR SELECT USING (encode(set_up_digest, 'hex') = current_key());

-- `stage` and whose it is are said once: `code` and `enrol` have given a password and nothing more. `idle_seconds` is the clinic's rule.
ALTER TABLE staff_session ADD COLUMN stage TEXT DEFAULT 'in' NOT NULL;
ALTER TABLE staff_session ADD COLUMN device TEXT DEFAULT '' NOT NULL;
ALTER TABLE staff_session ADD COLUMN idle_seconds INTEGER DEFAULT 900 NOT NULL;
ALTER TABLE staff_session ADD COLUMN locked_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE staff_session ADD CONSTRAINT ck_staff_session_stage CHECK (stage IN ('code', 'enrol', 'in'));
CREATE INDEX ix_staff_session_clinic_id_user_id ON staff_session (clinic_id, user_id);
CREATE TRIGGER keep_stage BEFORE UPDATE ON staff_session FOR EACH ROW
    WHEN (NEW.stage <> OLD.stage OR NEW.user_id <> OLD.user_id)
    EXECUTE FUNCTION keep_ended();

-- What somebody has sent from a session that had locked, until they have given their password: encrypted, for hours.
CREATE TABLE kept_form (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    path TEXT NOT NULL,
    sealed_fields BYTEA NOT NULL,
    kept_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_kept_form PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_kept_form_clinic_id_user_id_staff_user FOREIGN KEY(clinic_id, user_id) REFERENCES staff_user (clinic_id, id)
);
CREATE INDEX ix_kept_form_clinic_id_user_id_kept_at ON kept_form (clinic_id, user_id, kept_at);
ALTER TABLE kept_form ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_form FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON kept_form USING (clinic_id = current_clinic());
GRANT SELECT, INSERT, DELETE ON kept_form TO referral_app;
