-- A course of treatment. Every row is a version: what was corrected stays, with who has changed it and why.

CREATE TABLE course_plan (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    planned_sessions INTEGER NOT NULL,
    spacing_days INTEGER NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_plan PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_plan_sessions CHECK (planned_sessions BETWEEN 1 AND 60),
    CONSTRAINT ck_course_plan_spacing CHECK (spacing_days BETWEEN 1 AND 90),
    CONSTRAINT fk_course_plan_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_plan_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_plan_version CHECK (version > 0),
    CONSTRAINT ck_course_plan_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_plan_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_plan_clinic_id_order_id ON course_plan (clinic_id, order_id);

CREATE TABLE course_decision (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    decision TEXT NOT NULL,
    reason TEXT,
    risks_discussed BOOLEAN DEFAULT false NOT NULL,
    benefits_discussed BOOLEAN DEFAULT false NOT NULL,
    self_pay_notice BOOLEAN DEFAULT false NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_decision PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_decision_decision CHECK (decision IN ('candidate', 'not-candidate', 'deferred')),
    CONSTRAINT ck_course_decision_reason CHECK (reason IN ('medical-risk', 'mental-risk', 'substance-use', 'pregnancy', 'other-treatment-first', 'information-missing', 'patient-wish', 'other')),
    CONSTRAINT ck_course_decision_reasoned CHECK ((decision = 'candidate') = (reason IS NULL)),
    CONSTRAINT fk_course_decision_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_decision_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_decision_version CHECK (version > 0),
    CONSTRAINT ck_course_decision_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_decision_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_decision_clinic_id_order_id ON course_decision (clinic_id, order_id);

CREATE TABLE course_session (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    state TEXT DEFAULT 'in-progress' NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    abort_reason TEXT,
    supervisor TEXT DEFAULT '' NOT NULL,
    physician_present BOOLEAN,
    discharge_met BOOLEAN,
    ride_home BOOLEAN,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_session PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT fk_course_session_clinic_id_id_treatment_start FOREIGN KEY(clinic_id, id) REFERENCES treatment_start (clinic_id, id),
    CONSTRAINT ck_course_session_state CHECK (state IN ('in-progress', 'completed', 'aborted')),
    CONSTRAINT ck_course_session_abort_reason CHECK (abort_reason IN ('patient-wish', 'adverse-event', 'vitals-out-of-range', 'access-lost', 'other')),
    CONSTRAINT ck_course_session_ended CHECK ((state = 'in-progress') = (ended_at IS NULL)),
    CONSTRAINT ck_course_session_aborted CHECK ((state = 'aborted') = (abort_reason IS NOT NULL)),
    CONSTRAINT fk_course_session_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_session_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_session_version CHECK (version > 0),
    CONSTRAINT ck_course_session_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_session_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_session_clinic_id_order_id ON course_session (clinic_id, order_id);

CREATE TABLE course_dose (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    drug TEXT NOT NULL,
    milligrams NUMERIC(8, 3) NOT NULL,
    per_kilogram NUMERIC(8, 3),
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stopped_at TIMESTAMP WITH TIME ZONE,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_dose PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_dose_milligrams CHECK (milligrams > 0),
    CONSTRAINT ck_course_dose_per_kilogram CHECK (per_kilogram > 0),
    CONSTRAINT ck_course_dose_stopped CHECK (stopped_at >= started_at),
    CONSTRAINT fk_course_dose_clinic_id_session_id_treatment_start FOREIGN KEY(clinic_id, session_id) REFERENCES treatment_start (clinic_id, id),
    CONSTRAINT fk_course_dose_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_dose_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_dose_version CHECK (version > 0),
    CONSTRAINT ck_course_dose_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_dose_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_dose_clinic_id_order_id ON course_dose (clinic_id, order_id);

CREATE TABLE course_vital (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value INTEGER NOT NULL,
    diastolic INTEGER,
    phase TEXT NOT NULL,
    taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_vital PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_vital_kind CHECK (kind IN ('blood-pressure', 'heart-rate', 'oxygen-saturation', 'respiratory-rate')),
    CONSTRAINT ck_course_vital_phase CHECK (phase IN ('before', 'during', 'after')),
    CONSTRAINT ck_course_vital_value CHECK (value BETWEEN 0 AND 300),
    CONSTRAINT ck_course_vital_two CHECK ((kind = 'blood-pressure') = (diastolic IS NOT NULL)),
    CONSTRAINT ck_course_vital_diastolic CHECK (diastolic BETWEEN 0 AND value),
    CONSTRAINT fk_course_vital_clinic_id_session_id_treatment_start FOREIGN KEY(clinic_id, session_id) REFERENCES treatment_start (clinic_id, id),
    CONSTRAINT fk_course_vital_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_vital_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_vital_version CHECK (version > 0),
    CONSTRAINT ck_course_vital_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_vital_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_vital_clinic_id_order_id ON course_vital (clinic_id, order_id);

CREATE TABLE course_effect (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    session_id TEXT,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    serious BOOLEAN DEFAULT false NOT NULL,
    noticed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_effect PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_effect_severity CHECK (severity IN ('mild', 'moderate', 'severe')),
    CONSTRAINT fk_course_effect_clinic_id_session_id_treatment_start FOREIGN KEY(clinic_id, session_id) REFERENCES treatment_start (clinic_id, id),
    CONSTRAINT fk_course_effect_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_effect_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_effect_version CHECK (version > 0),
    CONSTRAINT ck_course_effect_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_effect_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_effect_clinic_id_order_id ON course_effect (clinic_id, order_id);

CREATE TABLE course_end (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    ending TEXT NOT NULL,
    reason TEXT,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_end PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_end_ending CHECK (ending IN ('completed', 'stopped-early')),
    CONSTRAINT ck_course_end_reason CHECK (reason IN ('patient-wish', 'no-response', 'adverse-event', 'other')),
    CONSTRAINT ck_course_end_reasoned CHECK ((ending = 'completed') = (reason IS NULL)),
    CONSTRAINT ck_course_end_once CHECK (id = order_id),
    CONSTRAINT fk_course_end_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_end_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_end_version CHECK (version > 0),
    CONSTRAINT ck_course_end_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_end_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_end_clinic_id_order_id ON course_end (clinic_id, order_id);

ALTER TABLE course_plan ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_plan FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_plan USING (clinic_id = current_clinic());
ALTER TABLE course_decision ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_decision FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_decision USING (clinic_id = current_clinic());
ALTER TABLE course_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_session FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_session USING (clinic_id = current_clinic());
ALTER TABLE course_dose ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_dose FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_dose USING (clinic_id = current_clinic());
ALTER TABLE course_vital ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_vital FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_vital USING (clinic_id = current_clinic());
ALTER TABLE course_effect ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_effect FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_effect USING (clinic_id = current_clinic());
ALTER TABLE course_end ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_end FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_end USING (clinic_id = current_clinic());
-- Nothing of it is ever rewritten or taken away.
GRANT SELECT, INSERT ON course_plan, course_decision, course_session, course_dose, course_vital, course_effect, course_end TO referral_app;
