-- PHQ-9, GAD-7, PCL-5 and pain by number: what was filled in, what was asked for, and signs of self-harm that wait
-- for a person (docs/adr/0036).

-- The answers are in the resource; here is what is counted and drawn. `id` is that of the QuestionnaireResponse, or
-- of an Observation that came alone.
CREATE TABLE scale_score (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT,
    scale TEXT NOT NULL,
    total INTEGER,
    missing INTEGER DEFAULT 0 NOT NULL,
    self_harm INTEGER,
    source TEXT NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_by TEXT NOT NULL,
    observation_id TEXT,
    voided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_scale_score PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_scale_score_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT fk_scale_score_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT ck_scale_score_scale CHECK (scale IN ('phq-9', 'gad-7', 'pcl-5', 'pain-nrs')),
    CONSTRAINT ck_scale_score_source CHECK (source IN ('patient', 'staff', 'system')),
    CONSTRAINT ck_scale_score_total CHECK (total BETWEEN 0 AND 80)
);
CREATE INDEX ix_scale_score_clinic_id_order_id_taken_at ON scale_score (clinic_id, order_id, taken_at);
CREATE UNIQUE INDEX uq_scale_score_taken ON scale_score (clinic_id, patient_id, scale, taken_at) WHERE voided_at IS NULL;

CREATE TABLE scale_request (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    scale TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    asked_by TEXT NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    score_id TEXT,
    CONSTRAINT pk_scale_request PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_scale_request_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT fk_scale_request_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_scale_request_clinic_id_score_id_scale_score FOREIGN KEY(clinic_id, score_id) REFERENCES scale_score (clinic_id, id),
    CONSTRAINT ck_scale_request_scale CHECK (scale IN ('phq-9', 'gad-7', 'pcl-5', 'pain-nrs'))
);
CREATE UNIQUE INDEX uq_scale_request_open ON scale_request (clinic_id, patient_id, scale) WHERE ended_at IS NULL;

-- What was done stands in words, encrypted, in `document`. Without it nothing is settled, whoever asks.
CREATE TABLE safety_task (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT,
    source TEXT NOT NULL,
    answer INTEGER,
    raised_at TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    settled_by TEXT,
    action TEXT,
    note_id TEXT,
    CONSTRAINT pk_safety_task PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_safety_task_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT fk_safety_task_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_safety_task_clinic_id_note_id_document FOREIGN KEY(clinic_id, note_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_safety_task_action CHECK (action IN ('spoke-safe', 'safety-plan', 'emergency', 'care-team', 'mistake')),
    CONSTRAINT ck_safety_task_settled CHECK (num_nulls(settled_at, settled_by, action, note_id) IN (0, 4))
);
CREATE UNIQUE INDEX uq_safety_task_open ON safety_task (clinic_id, source) WHERE settled_at IS NULL;
CREATE INDEX ix_safety_task_clinic_id_patient_id ON safety_task (clinic_id, patient_id);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{scale_score,scale_request,safety_task}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;

-- Nothing of these is ever deleted, and what a safety task is about never changes.
GRANT SELECT, INSERT ON scale_score, scale_request, safety_task TO referral_app;
GRANT UPDATE ON scale_score TO referral_app;
GRANT UPDATE (ended_at, score_id) ON scale_request TO referral_app;
GRANT UPDATE (settled_at, settled_by, action, note_id) ON safety_task TO referral_app;
