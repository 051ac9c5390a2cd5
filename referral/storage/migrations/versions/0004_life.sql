-- The life of a recommendation: why it ends, what it renews, and what the medical director says of a conflict.

-- Why a recommendation stopped counting; domain/life.py has the same list.
ALTER TABLE recommendation_void ADD CONSTRAINT ck_recommendation_void_cause CHECK (cause IN (
    'revoked', 'denied', 'withdrawn', 'amended', 'conflict', 'entered-in-error', 'consent-withdrawn',
    'new-indication', 'psychosis', 'pregnancy', 'hospitalisation', 'treatment-gap'));

-- A renewal is a recommendation of its own, which names the one whose content it repeats.
ALTER TABLE recommendation ADD COLUMN renews TEXT;
ALTER TABLE recommendation ADD CONSTRAINT fk_recommendation_renews FOREIGN KEY (clinic_id, patient_id, order_id, renews)
    REFERENCES recommendation (clinic_id, patient_id, order_id, id);
-- For the sweep that asks "still true?" before the time is up.
CREATE INDEX ix_recommendation_clinic_id_valid_until ON recommendation (clinic_id, valid_until);

-- What a link is for: to answer a request, or to keep or take back the answer that was given.
ALTER TABLE portal_credential ADD COLUMN purpose TEXT DEFAULT 'answer' NOT NULL;
ALTER TABLE portal_credential ADD CONSTRAINT ck_portal_credential_purpose CHECK (purpose IN ('answer', 'standing'));

-- The medical director has seen a recommendation beside another clinician's refusal. Voiding is recommendation_void.
CREATE TABLE conflict_decision (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    recommendation_id TEXT NOT NULL,
    refusal_id TEXT NOT NULL,
    kept BOOLEAN DEFAULT false NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_conflict_decision PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_conflict_decision_clinic_id_recommendation_id_refusal_id UNIQUE (clinic_id, recommendation_id, refusal_id),
    CONSTRAINT fk_conflict_decision_recommendation FOREIGN KEY (clinic_id, patient_id, order_id, recommendation_id)
        REFERENCES recommendation (clinic_id, patient_id, order_id, id),
    CONSTRAINT fk_conflict_decision_refusal FOREIGN KEY (clinic_id, patient_id, order_id, refusal_id)
        REFERENCES recommendation (clinic_id, patient_id, order_id, id)
);
CREATE INDEX ix_conflict_decision_clinic_id_order_id ON conflict_decision (clinic_id, order_id);
ALTER TABLE conflict_decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE conflict_decision FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON conflict_decision USING (clinic_id = current_clinic());
-- Insert-only, like every fact.
GRANT SELECT, INSERT ON conflict_decision TO referral_app;
