-- Links, sessions and clients that have ended stay ended, whoever asks. Before, one UPDATE brought a link back.
CREATE FUNCTION keep_ended() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what has ended stays ended' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER keep_ended BEFORE UPDATE ON portal_credential FOR EACH ROW
    WHEN (NEW.expires_at > OLD.expires_at OR (OLD.revoked_at IS NOT NULL
          AND (NEW.revoked_at IS DISTINCT FROM OLD.revoked_at OR NEW.revoked_for IS DISTINCT FROM OLD.revoked_for)))
    EXECUTE FUNCTION keep_ended();
CREATE TRIGGER keep_ended BEFORE UPDATE ON portal_session FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL) EXECUTE FUNCTION keep_ended();
CREATE TRIGGER keep_ended BEFORE UPDATE ON staff_session FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS NULL) EXECUTE FUNCTION keep_ended();
CREATE TRIGGER keep_ended BEFORE UPDATE ON api_client FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) EXECUTE FUNCTION keep_ended();

-- Whose link it is, what its secret is and how it travelled is said once. What remains counts guesses and ends it.
REVOKE UPDATE ON portal_credential FROM referral_app;
GRANT UPDATE (attempts, paused_until, frozen_at, revoked_at, revoked_for, expires_at) ON portal_credential
    TO referral_app;

-- Long dead rows that nobody needs: services/forget_sessions.py. What was done in them is in the audit.
GRANT DELETE ON staff_session, portal_session, portal_throttle TO referral_app;

-- The history of a type, newest first: old versions are found by their time, as the current ones are.
CREATE INDEX ix_resource_history_clinic_id_type_last_updated_id
    ON resource_history (clinic_id, type, last_updated, id);
