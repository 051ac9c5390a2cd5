-- Who is told outside of the pages that a safety task waits (docs/adr/0036), and what was sent to them.

-- `place` is the order in which they are told. An address that has ended stays, for what was sent to it.
CREATE TABLE on_call_contact (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_on_call_contact PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_on_call_contact_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_on_call_contact_channel CHECK (channel IN ('sms', 'email'))
);
CREATE UNIQUE INDEX uq_on_call_contact_address ON on_call_contact (clinic_id, channel, address) WHERE ended_at IS NULL;
ALTER TABLE on_call_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE on_call_contact FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON on_call_contact USING (clinic_id = current_clinic());
GRANT SELECT, INSERT ON on_call_contact TO referral_app;
GRANT UPDATE (place, ended_at) ON on_call_contact TO referral_app;

-- One message about one task. Its columns mean what they mean in `message`; the first `step` is 1.
CREATE TABLE safety_call (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    task_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    contact_id TEXT NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    crashes INTEGER DEFAULT 0 NOT NULL,
    in_doubt BOOLEAN DEFAULT false NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    sending_since TIMESTAMP WITH TIME ZONE,
    envelope_id TEXT,
    provider_reference TEXT,
    last_error TEXT,
    sent_for_real BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_safety_call PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_safety_call_clinic_id_task_id_step UNIQUE (clinic_id, task_id, step),
    CONSTRAINT fk_safety_call_clinic_id_task_id_safety_task FOREIGN KEY(clinic_id, task_id) REFERENCES safety_task (clinic_id, id),
    CONSTRAINT fk_safety_call_clinic_id_contact_id_on_call_contact FOREIGN KEY(clinic_id, contact_id) REFERENCES on_call_contact (clinic_id, id),
    CONSTRAINT fk_safety_call_clinic_id_envelope_id_document FOREIGN KEY(clinic_id, envelope_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_safety_call_state CHECK (state IN ('queued', 'sending', 'accepted', 'failed', 'unknown', 'cancelled', 'dead')),
    CONSTRAINT ck_safety_call_finished CHECK ((state IN ('queued', 'sending')) = (finished_at IS NULL)),
    -- Nothing is sent whose bytes are not kept.
    CONSTRAINT ck_safety_call_bytes CHECK (state NOT IN ('sending', 'accepted') OR envelope_id IS NOT NULL)
);
CREATE INDEX ix_safety_call_due ON safety_call (clinic_id, not_before) WHERE state IN ('queued', 'sending');
ALTER TABLE safety_call ENABLE ROW LEVEL SECURITY;
ALTER TABLE safety_call FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON safety_call USING (clinic_id = current_clinic());
GRANT SELECT, INSERT ON safety_call TO referral_app;
GRANT UPDATE (state, attempts, tries, crashes, in_doubt, not_before, lease_until, sending_since, envelope_id, provider_reference, last_error, sent_for_real, finished_at) ON safety_call TO referral_app;
CREATE TRIGGER ring AFTER INSERT ON safety_call FOR EACH STATEMENT EXECUTE FUNCTION ring();
CREATE INDEX ix_safety_task_waiting ON safety_task (clinic_id, raised_at) WHERE settled_at IS NULL;

-- A serious adverse event waits for a person as well, and is settled by what is done about one.
ALTER TABLE safety_task DROP CONSTRAINT ck_safety_task_action;
ALTER TABLE safety_task ADD CONSTRAINT ck_safety_task_action CHECK (action IN ('spoke-safe', 'safety-plan', 'emergency', 'care-team', 'mistake', 'examined'));

-- A report that no message carries is told by voice, and somebody says so.
ALTER TABLE course_report ADD COLUMN told_at TIMESTAMP WITH TIME ZONE;
ALTER TABLE course_report ADD COLUMN told_by TEXT;
ALTER TABLE course_report ADD CONSTRAINT ck_course_report_told CHECK ((told_at IS NULL) = (told_by IS NULL));
GRANT UPDATE (told_at, told_by) ON course_report TO referral_app;
CREATE INDEX ix_course_report_no_contact ON course_report (clinic_id, due_at) WHERE withheld_for = 'no-contact';
