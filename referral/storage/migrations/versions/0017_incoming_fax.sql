-- Faxes that come in. The bytes are a document without a patient (incoming-fax); the copy that a request gets is one
-- of its patient's, with a DocumentReference of the same id. So undoing an assignment rewrites no document.
CREATE TABLE incoming_fax (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    source TEXT NOT NULL,
    provider_reference TEXT,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    from_number TEXT,
    sha256 BYTEA,
    pages INTEGER DEFAULT 0 NOT NULL,
    document_id TEXT,
    state TEXT DEFAULT 'received' NOT NULL,
    problem TEXT,
    attempts INTEGER DEFAULT 0 NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    suggested TEXT[] DEFAULT '{}' NOT NULL,
    referral_id TEXT,
    record_id TEXT,
    matched_by TEXT,
    matched_at TIMESTAMP WITH TIME ZONE,
    is_late BOOLEAN DEFAULT false NOT NULL,
    reason TEXT,
    handled_by TEXT,
    handled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_incoming_fax PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_incoming_fax_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_incoming_fax_clinic_id_document FOREIGN KEY(clinic_id, document_id) REFERENCES document (clinic_id, id),
    CONSTRAINT fk_incoming_fax_clinic_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id),
    CONSTRAINT ck_incoming_fax_source CHECK (source IN ('webhook', 'folder')),
    CONSTRAINT ck_incoming_fax_state CHECK (state IN ('announced', 'received', 'unreadable', 'unmatched', 'matched', 'differs', 'transcribed', 'filed', 'dismissed')),
    CONSTRAINT ck_incoming_fax_placed CHECK ((referral_id IS NOT NULL) = (state IN ('matched', 'differs', 'transcribed', 'filed')))
);

-- The same fax twice is one: by what the provider calls it, and by its bytes.
CREATE UNIQUE INDEX uq_incoming_fax_reference ON incoming_fax (clinic_id, source, provider_reference) WHERE provider_reference IS NOT NULL;
CREATE UNIQUE INDEX uq_incoming_fax_bytes ON incoming_fax (clinic_id, source, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX ix_incoming_fax_clinic_id_received_at ON incoming_fax (clinic_id, received_at);
CREATE INDEX ix_incoming_fax_clinic_id_referral_id ON incoming_fax (clinic_id, referral_id);
-- What still waits for a worker or for a person: few, however many have been dealt with.
CREATE INDEX ix_incoming_fax_waiting ON incoming_fax (clinic_id, state, received_at)
    WHERE state IN ('announced', 'received', 'unreadable', 'unmatched', 'matched', 'differs');

ALTER TABLE incoming_fax ENABLE ROW LEVEL SECURITY;
ALTER TABLE incoming_fax FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON incoming_fax USING (clinic_id = current_clinic());

-- Where it came from, and when, is never rewritten.
GRANT SELECT, INSERT ON incoming_fax TO referral_app;
GRANT UPDATE (version, sha256, pages, document_id, state, problem, attempts, not_before, suggested, referral_id,
    record_id, matched_by, matched_at, is_late, reason, handled_by, handled_at) ON incoming_fax TO referral_app;

CREATE TRIGGER ring AFTER INSERT ON incoming_fax FOR EACH STATEMENT EXECUTE FUNCTION ring();
