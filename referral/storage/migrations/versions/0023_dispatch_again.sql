-- Since when a provider has answered no call, for the people who have to see to it.
ALTER TABLE provider ADD COLUMN failing_since TIMESTAMP WITH TIME ZONE;

-- What has been dealt with is not kept for ever: questions to providers that are settled, and the bytes of faxes of which
-- their request has a copy, or which were nobody's. Every other document stays (see referral.services.forget_faxes).
GRANT DELETE ON provider_poll, incoming_fax, document TO referral_app;
CREATE POLICY only_incoming_faxes ON document AS RESTRICTIVE FOR DELETE
    USING (kind IN ('incoming-fax', 'fax-page') AND patient_id IS NULL AND referral_id IS NULL);
CREATE POLICY only_dealt_with ON incoming_fax AS RESTRICTIVE FOR DELETE
    USING (state IN ('transcribed', 'filed', 'dismissed'));
