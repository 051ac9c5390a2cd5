-- What providers tell about messages to whoever is on call (docs/adr/0036), each event once, as of every message.
ALTER TABLE safety_call DROP CONSTRAINT ck_safety_call_state;
ALTER TABLE safety_call ADD CONSTRAINT ck_safety_call_state CHECK (state IN ('queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown', 'cancelled', 'dead'));
ALTER TABLE safety_call DROP CONSTRAINT ck_safety_call_bytes;
ALTER TABLE safety_call ADD CONSTRAINT ck_safety_call_bytes CHECK (state NOT IN ('sending', 'accepted', 'delivered') OR envelope_id IS NOT NULL);
-- How often its provider was asked what became of it, and when it is asked next; as in `provider_poll`.
ALTER TABLE safety_call ADD COLUMN asked INTEGER DEFAULT 0 NOT NULL;
ALTER TABLE safety_call ADD COLUMN ask_at TIMESTAMP WITH TIME ZONE;
GRANT UPDATE (asked, ask_at) ON safety_call TO referral_app;
CREATE INDEX ix_safety_call_no_news ON safety_call (clinic_id, finished_at) WHERE state = 'accepted' AND sent_for_real;

ALTER TABLE provider_event ALTER COLUMN message_id DROP NOT NULL;
ALTER TABLE provider_event ADD COLUMN call_id UUID;
ALTER TABLE provider_event ADD CONSTRAINT fk_provider_event_clinic_id_call_id_safety_call FOREIGN KEY(clinic_id, call_id) REFERENCES safety_call (clinic_id, id);
ALTER TABLE provider_event ADD CONSTRAINT ck_provider_event_about CHECK (num_nonnulls(message_id, call_id) = 1);
CREATE INDEX ix_provider_event_call ON provider_event (clinic_id, call_id) WHERE call_id IS NOT NULL;

-- A promise that an amended answer replaces is kept, as superseded; one for a request goes on.
ALTER TABLE follow_up DROP CONSTRAINT ck_follow_up_outcome;
ALTER TABLE follow_up ADD CONSTRAINT ck_follow_up_outcome CHECK (outcome IN ('seen', 'lost', 'not-ours', 'superseded'));
DROP INDEX uq_follow_up_referral;
CREATE UNIQUE INDEX uq_follow_up_referral ON follow_up (clinic_id, referral_id) WHERE outcome IS DISTINCT FROM 'superseded';

-- Changes of medication during a course (docs/adr/0037); the words are an encrypted document.
CREATE TABLE course_medicine (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    changed_on DATE NOT NULL,
    in_error BOOLEAN DEFAULT false NOT NULL,
    words_id TEXT,
    why TEXT,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_medicine PRIMARY KEY (clinic_id, id, version),
    CONSTRAINT ck_course_medicine_worded CHECK (words_id IS NOT NULL),
    CONSTRAINT fk_course_medicine_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_medicine_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_medicine_version CHECK (version > 0),
    CONSTRAINT ck_course_medicine_why CHECK (why IN ('typing-error', 'later-known', 'wrong-place', 'reviewed', 'sent-anew')),
    CONSTRAINT ck_course_medicine_first CHECK (version > 1 OR why IS NULL)
);
CREATE INDEX ix_course_medicine_clinic_id_order_id ON course_medicine (clinic_id, order_id);
ALTER TABLE course_medicine ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_medicine FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_medicine USING (clinic_id = current_clinic());
GRANT SELECT, INSERT ON course_medicine TO referral_app;

-- The exported stream knows of safety tasks (docs/adr/0008): what was seen to pages nobody again after a restore.
CREATE TRIGGER note_safety_raised AFTER INSERT ON safety_task FOR EACH ROW
    EXECUTE FUNCTION note_safety('safety-raised', 'id', 'patient_id', 'order_id');
CREATE TRIGGER note_safety AFTER UPDATE OF settled_at ON safety_task FOR EACH ROW
    WHEN (OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL)
    EXECUTE FUNCTION note_safety('safety-settled', 'id', 'patient_id', 'action', 'settled_by');
