-- Letters on paper by the batch (docs/adr/0020), and calls that people make.

ALTER TABLE message DROP CONSTRAINT ck_message_state;
ALTER TABLE message ADD CONSTRAINT ck_message_state CHECK (state IN ('queued', 'rendering', 'ready', 'sending', 'by-hand',
    'accepted', 'delivered', 'failed', 'unknown', 'cancelled', 'dead'));
-- What waits to be printed, oldest first.
CREATE INDEX ix_message_by_hand ON message (clinic_id, created_at) WHERE state = 'by-hand';

CREATE TABLE print_batch (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    number INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    printed_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_print_batch PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_print_batch_clinic_id_number UNIQUE (clinic_id, number),
    CONSTRAINT fk_print_batch_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

-- Ids and digests: the bytes are the stored document. `place` is the order of the sheets, for good.
CREATE TABLE print_item (
    clinic_id UUID NOT NULL,
    batch_id UUID NOT NULL,
    message_id UUID NOT NULL,
    place INTEGER NOT NULL,
    document_id TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    pages INTEGER NOT NULL,
    postal_code TEXT NOT NULL,
    fate TEXT DEFAULT 'waiting' NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_print_item PRIMARY KEY (clinic_id, batch_id, message_id),
    CONSTRAINT uq_print_item_clinic_id_batch_id_place UNIQUE (clinic_id, batch_id, place),
    CONSTRAINT fk_print_item_clinic_id_batch_id_print_batch FOREIGN KEY(clinic_id, batch_id) REFERENCES print_batch (clinic_id, id),
    CONSTRAINT fk_print_item_clinic_id_message_id_message FOREIGN KEY(clinic_id, message_id) REFERENCES message (clinic_id, id),
    CONSTRAINT ck_print_item_fate CHECK (fate IN ('waiting', 'mailed', 'put-back', 'taken-out')),
    CONSTRAINT ck_print_item_decided CHECK ((fate = 'waiting') = (decided_at IS NULL))
);

-- A letter is in one batch at a time, and is mailed once, however often somebody clicks.
CREATE UNIQUE INDEX uq_print_item_once ON print_item (clinic_id, message_id) WHERE fate IN ('waiting', 'mailed');

CREATE TABLE call_task (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    why TEXT NOT NULL,
    referral_id TEXT,
    contact_id TEXT,
    state TEXT DEFAULT 'open' NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    outcome TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    done_by TEXT,
    done_at TIMESTAMP WITH TIME ZONE,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_call_task PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_call_task_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id),
    CONSTRAINT fk_call_task_clinic_id_contact_id_contact FOREIGN KEY(clinic_id, contact_id) REFERENCES contact (clinic_id, id),
    CONSTRAINT ck_call_task_state CHECK (state IN ('open', 'done', 'cancelled')),
    CONSTRAINT ck_call_task_about CHECK (referral_id IS NOT NULL OR contact_id IS NOT NULL),
    CONSTRAINT ck_call_task_done CHECK ((state = 'open') = (done_at IS NULL))
);

CREATE INDEX ix_call_task_due ON call_task (clinic_id, due_at) WHERE state = 'open';

CREATE INDEX ix_call_task_clinic_id_referral_id ON call_task (clinic_id, referral_id);

-- Asked for twice, called once.
CREATE UNIQUE INDEX uq_call_task_once ON call_task (clinic_id, why, referral_id, contact_id) NULLS NOT DISTINCT
    WHERE state = 'open';

ALTER TABLE print_batch ENABLE ROW LEVEL SECURITY;
ALTER TABLE print_batch FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON print_batch USING (clinic_id = current_clinic());
ALTER TABLE print_item ENABLE ROW LEVEL SECURITY;
ALTER TABLE print_item FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON print_item USING (clinic_id = current_clinic());
ALTER TABLE call_task ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_task FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON call_task USING (clinic_id = current_clinic());

-- What is in a batch, and in which order, never changes; what became of it does.
GRANT SELECT, INSERT ON print_batch, print_item, call_task TO referral_app;
GRANT UPDATE (printed_at, closed_at) ON print_batch TO referral_app;
GRANT UPDATE (fate, decided_by, decided_at) ON print_item TO referral_app;
GRANT UPDATE (state, due_at, tries, outcome, done_by, done_at, version) ON call_task TO referral_app;
