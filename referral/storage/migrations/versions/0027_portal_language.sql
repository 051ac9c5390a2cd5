-- What a clinician reads: of Practitioner.communication, the first language that is spoken here. Filled in with
-- the next version of the record.
ALTER TABLE clinician ADD COLUMN language TEXT;
ALTER TABLE clinician ADD CONSTRAINT ck_clinician_language CHECK (language IN ('en', 'es'));
