-- A report that turned out to be wrong is followed by another version of it (docs/adr/0039): `corrects` is the one
-- that its recipient has, where there is one.
ALTER TABLE course_report ADD COLUMN version INTEGER DEFAULT 1 NOT NULL;
ALTER TABLE course_report ADD COLUMN corrects TEXT;
ALTER TABLE course_report ADD CONSTRAINT ck_course_report_version CHECK (version > 0 AND (version > 1 OR corrects IS NULL));
ALTER TABLE course_report ADD CONSTRAINT fk_course_report_clinic_id_corrects_course_report FOREIGN KEY(clinic_id, corrects) REFERENCES course_report (clinic_id, id);
ALTER TABLE course_report DROP CONSTRAINT uq_course_report_clinic_id_referral_id_occasion_about;
ALTER TABLE course_report ADD CONSTRAINT uq_course_report_clinic_id_referral_id_occasion_about_version UNIQUE (clinic_id, referral_id, occasion, about, version);

-- What is told of an event that never was, to whom nothing has been told of it yet: nothing.
ALTER TABLE course_report DROP CONSTRAINT ck_course_report_withheld_for;
ALTER TABLE course_report ADD CONSTRAINT ck_course_report_withheld_for CHECK (withheld_for IN ('consent', 'not-wanted', 'no-contact', 'in-error'));
