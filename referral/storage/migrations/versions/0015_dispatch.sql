-- Messages by the batch: lanes, doubts, and what all workers know of a provider (docs/adr/0019).

-- Whom a message may not wait behind: 'urgent' (somebody sits there and waits), 'text', 'letter' (slow to draw).
-- A call whose outcome nobody knows leaves `in_doubt`: `lease_until` is then when it is looked into, and
-- `sending_since` when it was first tried.
ALTER TABLE message ADD COLUMN lane TEXT DEFAULT 'text' NOT NULL,
    ADD COLUMN in_doubt BOOLEAN DEFAULT false NOT NULL,
    ADD COLUMN sending_since TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_message_lane CHECK (lane IN ('urgent', 'text', 'letter'));
UPDATE message SET lane = CASE WHEN kind IN ('identity-code', 'fresh-link') THEN 'urgent'
                               WHEN kind IN ('request', 'reminder', 'thank-you') THEN 'letter' ELSE 'text' END;

-- One for each question that a worker asks, so that a thousand rows of one sort never hide one of another.
DROP INDEX ix_message_due;
CREATE INDEX ix_message_to_draw ON message (clinic_id, lane, not_before) WHERE state = 'queued';
CREATE INDEX ix_message_to_send ON message (clinic_id, channel, not_before) WHERE state = 'ready';
CREATE INDEX ix_message_urgent ON message (clinic_id, channel, not_before) WHERE state = 'ready' AND lane = 'urgent';
CREATE INDEX ix_message_held ON message (clinic_id, lease_until) WHERE state IN ('rendering', 'sending');

-- Of the whole installation, not of a clinic: a provider that does not answer answers nobody. It holds counters and
-- times, and nothing about a person.
CREATE TABLE provider (
    name TEXT NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    rests INTEGER DEFAULT 0 NOT NULL,
    rests_until TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    allowance DOUBLE PRECISION NOT NULL,
    counted_at TIMESTAMP WITH TIME ZONE,
    uses JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_provider PRIMARY KEY (name)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON provider TO referral_app;
