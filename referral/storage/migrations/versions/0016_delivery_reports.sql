-- What providers tell about messages that they have taken, each event once.

CREATE TABLE provider_event (
    clinic_id UUID NOT NULL,
    provider TEXT NOT NULL,
    event_id TEXT NOT NULL,
    message_id UUID NOT NULL,
    fate TEXT NOT NULL,
    reason TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_provider_event PRIMARY KEY (clinic_id, provider, event_id),
    CONSTRAINT fk_provider_event_clinic_id_message FOREIGN KEY(clinic_id, message_id) REFERENCES message (clinic_id, id),
    CONSTRAINT ck_provider_event_fate CHECK (fate IN ('delivered', 'failed'))
);

CREATE INDEX ix_provider_event_clinic_id_message_id ON provider_event (clinic_id, message_id);

-- When a provider was last asked, and is asked next, about a message of which it has told nothing.
CREATE TABLE provider_poll (
    clinic_id UUID NOT NULL,
    message_id UUID NOT NULL,
    asked INTEGER DEFAULT 0 NOT NULL,
    next_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_provider_poll PRIMARY KEY (clinic_id, message_id),
    CONSTRAINT fk_provider_poll_clinic_id_message FOREIGN KEY(clinic_id, message_id) REFERENCES message (clinic_id, id)
);

-- Mail is not among them: nobody can be asked what became of it.
CREATE INDEX ix_message_no_news ON message (clinic_id, finished_at) WHERE state = 'accepted' AND sent_for_real AND channel IN ('fax', 'sms');

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{provider_event,provider_poll}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON provider_event, provider_poll TO referral_app;
GRANT UPDATE (asked, next_at) ON provider_poll TO referral_app;
