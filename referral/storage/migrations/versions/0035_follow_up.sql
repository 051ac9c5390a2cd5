-- Who sees the patient next and when, as clinicians have promised in the form, and what became of it.

CREATE TABLE follow_up (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    recommendation_id TEXT NOT NULL,
    referral_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    clinician_id TEXT NOT NULL,
    within TEXT NOT NULL,
    adjuster TEXT,
    promised_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_on DATE,
    moved_to DATE,
    reminded_at TIMESTAMP WITH TIME ZONE,
    asked_at TIMESTAMP WITH TIME ZONE,
    outcome TEXT,
    outcome_on DATE,
    settled_at TIMESTAMP WITH TIME ZONE,
    settled_by TEXT,
    CONSTRAINT pk_follow_up PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_follow_up_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_follow_up_clinic_id_patient_id_referral_id_referral FOREIGN KEY(clinic_id, patient_id, referral_id) REFERENCES referral (clinic_id, patient_id, id),
    CONSTRAINT fk_follow_up_clinic_id_clinician_id_clinician FOREIGN KEY(clinic_id, clinician_id) REFERENCES clinician (clinic_id, id),
    CONSTRAINT ck_follow_up_within CHECK (within IN ('2-weeks', '4-weeks', '3-months')),
    CONSTRAINT ck_follow_up_outcome CHECK (outcome IN ('seen', 'lost', 'not-ours')),
    CONSTRAINT ck_follow_up_settled CHECK (num_nulls(outcome, settled_at, settled_by) IN (0, 3)),
    CONSTRAINT ck_follow_up_seen_on CHECK ((outcome_on IS NOT NULL) = (outcome IS NOT DISTINCT FROM 'seen'))
);
CREATE UNIQUE INDEX uq_follow_up_referral ON follow_up (clinic_id, referral_id);
CREATE INDEX ix_follow_up_order ON follow_up (clinic_id, order_id);
CREATE INDEX ix_follow_up_open ON follow_up (clinic_id, due_on) WHERE settled_at IS NULL;

ALTER TABLE follow_up ENABLE ROW LEVEL SECURITY;
ALTER TABLE follow_up FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON follow_up USING (clinic_id = current_clinic());

-- What was promised stays; only its day, what was sent about it and what became of it are added.
GRANT SELECT, INSERT ON follow_up TO referral_app;
GRANT UPDATE (due_on, moved_to, reminded_at, asked_at, outcome, outcome_on, settled_at, settled_by) ON follow_up TO referral_app;
