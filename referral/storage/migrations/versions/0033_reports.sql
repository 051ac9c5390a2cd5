-- Reports of a course to whoever recommended it (docs/adr/0037).

-- What is owed, to whom, and by when. `about` tells apart what can happen twice for one order, such as two adverse
-- events: it is the id of the event, empty otherwise.
-- Whether it has arrived is told by its message, and by nothing here.
CREATE TABLE course_report (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    referral_id TEXT NOT NULL,
    occasion TEXT NOT NULL,
    about TEXT DEFAULT '' NOT NULL,
    treats BOOLEAN,
    happened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    queue_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    withheld_for TEXT,
    message_id UUID,
    bundle_id TEXT,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_course_report PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_course_report_clinic_id_referral_id_occasion_about UNIQUE (clinic_id, referral_id, occasion, about),
    CONSTRAINT fk_course_report_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_course_report_clinic_id_patient_id_referral_id_referral FOREIGN KEY(clinic_id, patient_id, referral_id) REFERENCES referral (clinic_id, patient_id, id),
    CONSTRAINT fk_course_report_clinic_id_message_id_message FOREIGN KEY(clinic_id, message_id) REFERENCES message (clinic_id, id),
    CONSTRAINT fk_course_report_clinic_id_bundle_id_document FOREIGN KEY(clinic_id, bundle_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_course_report_occasion CHECK (occasion IN ('decision', 'mid-course', 'end-of-course', 'adverse-event', 'closure')),
    CONSTRAINT ck_course_report_state CHECK (state IN ('planned', 'queued', 'withheld')),
    CONSTRAINT ck_course_report_withheld CHECK ((state = 'withheld') = (withheld_for IS NOT NULL)),
    CONSTRAINT ck_course_report_withheld_for CHECK (withheld_for IN ('consent', 'not-wanted', 'no-contact')),
    CONSTRAINT ck_course_report_queued CHECK (state <> 'queued' OR message_id IS NOT NULL),
    CONSTRAINT ck_course_report_treats CHECK ((occasion = 'decision') = (treats IS NOT NULL))
);

CREATE INDEX ix_course_report_planned ON course_report (clinic_id, queue_at) WHERE state = 'planned';
CREATE INDEX ix_course_report_message ON course_report (clinic_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ix_course_report_clinic_id_order_id ON course_report (clinic_id, order_id);
CREATE INDEX ix_course_report_due ON course_report (clinic_id, due_at) WHERE state <> 'withheld';

ALTER TABLE course_report ENABLE ROW LEVEL SECURITY;
ALTER TABLE course_report FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON course_report USING (clinic_id = current_clinic());

-- What was owed, to whom and when, is never rewritten; only what becomes of it.
GRANT SELECT, INSERT ON course_report TO referral_app;
GRANT UPDATE (state, withheld_for, message_id, bundle_id) ON course_report TO referral_app;

-- A report is sealed like the record of an answer, and anybody can check the seal.
DROP TRIGGER note_sealed ON document;
CREATE TRIGGER note_sealed AFTER INSERT ON document FOR EACH ROW WHEN (NEW.kind IN ('receipt', 'course-report')) EXECUTE FUNCTION note_sealed();
