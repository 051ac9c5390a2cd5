-- Questions and answers between a clinician and the clinic, answers that come after the first, assistants at the
-- portal, and letters that are uploaded.

-- Ids only: the words are encrypted documents. `id` is that of the Communication. `reach_id` is how to reach whom the
-- clinician names, which the front desk needs; `words_id` is narrative. A turn waits for the clinic until it is settled.
CREATE TABLE conversation_turn (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    place BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
    referral_id TEXT NOT NULL,
    speaker TEXT NOT NULL,
    about TEXT NOT NULL,
    words_id TEXT,
    reach_id TEXT,
    had_seen BOOLEAN DEFAULT false NOT NULL,
    said_by TEXT NOT NULL,
    said_at TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    settled_by TEXT,
    CONSTRAINT pk_conversation_turn PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_conversation_turn_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id),
    CONSTRAINT fk_conversation_turn_clinic_id_words_id_document FOREIGN KEY(clinic_id, words_id) REFERENCES document (clinic_id, id),
    CONSTRAINT fk_conversation_turn_clinic_id_reach_id_document FOREIGN KEY(clinic_id, reach_id) REFERENCES document (clinic_id, id),
    CONSTRAINT ck_conversation_turn_speaker CHECK (speaker IN ('clinician', 'clinic')),
    CONSTRAINT ck_conversation_turn_about CHECK (about IN ('question', 'reply', 'call', 'colleague', 'left', 'wrong-address')),
    CONSTRAINT ck_conversation_turn_settled CHECK ((settled_at IS NULL) = (settled_by IS NULL))
);

CREATE INDEX ix_conversation_turn_clinic_id_referral_id_place ON conversation_turn (clinic_id, referral_id, place);
-- What the clinic owes: few, however much was said.
CREATE INDEX ix_conversation_turn_waiting ON conversation_turn (clinic_id, place)
    WHERE speaker = 'clinician' AND settled_at IS NULL;

-- An answer to a request that has one already. The first stands; this is kept beside it until a person has looked.
CREATE TABLE late_answer (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    referral_id TEXT NOT NULL,
    response_id TEXT NOT NULL,
    first_id TEXT NOT NULL,
    decision TEXT NOT NULL,
    differs BOOLEAN DEFAULT false NOT NULL,
    came_by TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_by TEXT NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    settled_by TEXT,
    CONSTRAINT pk_late_answer PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_late_answer_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id),
    CONSTRAINT ck_late_answer_came_by CHECK (came_by IN ('link', 'code', 'fax', 'call', 'upload', 'system')),
    CONSTRAINT ck_late_answer_settled CHECK ((settled_at IS NULL) = (settled_by IS NULL))
);

CREATE INDEX ix_late_answer_clinic_id_referral_id ON late_answer (clinic_id, referral_id);
CREATE INDEX ix_late_answer_waiting ON late_answer (clinic_id, received_at) WHERE differs AND settled_at IS NULL;

ALTER TABLE conversation_turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversation_turn FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON conversation_turn USING (clinic_id = current_clinic());
ALTER TABLE late_answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE late_answer FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON late_answer USING (clinic_id = current_clinic());

-- What was said is never rewritten; only that somebody has seen to it is added.
GRANT SELECT, INSERT ON conversation_turn, late_answer TO referral_app;
GRANT UPDATE (settled_at, settled_by) ON conversation_turn, late_answer TO referral_app;

-- Whoever fills in for the clinician has said so: this visit cannot sign.
ALTER TABLE portal_session ADD COLUMN is_assistant BOOLEAN DEFAULT false NOT NULL;

-- A letter that is uploaded is read as a fax is; it belongs to one request from the start.
ALTER TABLE incoming_fax ADD COLUMN meant_for TEXT;
ALTER TABLE incoming_fax DROP CONSTRAINT ck_incoming_fax_source;
ALTER TABLE incoming_fax ADD CONSTRAINT ck_incoming_fax_source CHECK (source IN ('webhook', 'folder', 'upload', 'portal'));
ALTER TABLE incoming_fax ADD CONSTRAINT ck_incoming_fax_meant CHECK ((meant_for IS NOT NULL) = (source IN ('upload', 'portal')));
ALTER TABLE incoming_fax ADD CONSTRAINT fk_incoming_fax_clinic_id_meant_for_referral FOREIGN KEY(clinic_id, meant_for) REFERENCES referral (clinic_id, id);
DROP INDEX uq_incoming_fax_bytes;
CREATE UNIQUE INDEX uq_incoming_fax_bytes ON incoming_fax (clinic_id, source, sha256, meant_for) NULLS NOT DISTINCT WHERE sha256 IS NOT NULL;
