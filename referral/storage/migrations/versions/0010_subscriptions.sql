-- Subscriptions of other systems, and the events that they are told (docs/adr/0015).

CREATE TABLE subscription (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    filters TEXT[] DEFAULT '{}' NOT NULL,
    content TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    headers BYTEA,
    heartbeat_seconds INTEGER,
    timeout_seconds INTEGER NOT NULL,
    max_count INTEGER NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    status TEXT NOT NULL,
    error TEXT,
    numbered BIGINT DEFAULT 0 NOT NULL,
    delivered BIGINT DEFAULT 0 NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    contact_at TIMESTAMP WITH TIME ZONE,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_subscription PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_subscription_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT fk_subscription_clinic_id_api_client FOREIGN KEY(clinic_id, client_id) REFERENCES api_client (clinic_id, id),
    CONSTRAINT ck_subscription_topic CHECK (topic IN ('task', 'servicerequest', 'gate')),
    CONSTRAINT ck_subscription_content CHECK (content IN ('empty', 'id-only')),
    CONSTRAINT ck_subscription_status CHECK (status IN ('requested', 'active', 'error', 'off')),
    CONSTRAINT ck_subscription_deleted CHECK (deleted_at IS NULL OR status = 'off'),
    CONSTRAINT ck_subscription_numbers CHECK (delivered BETWEEN 0 AND numbered)
);

-- Who listens is asked in each transaction that changes a Task or ServiceRequest: mostly nobody does.
CREATE INDEX ix_subscription_listening ON subscription (clinic_id) WHERE status <> 'off';

-- Events have no number until a worker has put those that are committed into their order: so nobody waits for
-- anybody else's transaction, and there are no gaps.
CREATE TABLE subscription_event (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL,
    subscription_id TEXT NOT NULL,
    number BIGINT,
    focus TEXT NOT NULL,
    patient_id TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_subscription_event PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_subscription_event_number UNIQUE (clinic_id, subscription_id, number),
    CONSTRAINT fk_subscription_event_clinic_id_subscription FOREIGN KEY(clinic_id, subscription_id) REFERENCES subscription (clinic_id, id)
);

CREATE INDEX ix_subscription_event_waiting ON subscription_event (clinic_id, subscription_id, id) WHERE number IS NULL;
CREATE INDEX ix_subscription_event_at ON subscription_event (clinic_id, at);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{subscription,subscription_event}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_clinic ON %I USING (clinic_id = current_clinic())', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON subscription, subscription_event TO referral_app;
GRANT UPDATE (topic, filters, content, endpoint, headers, heartbeat_seconds, timeout_seconds, max_count, ends_at, status,
    error, numbered, delivered, attempts, tries, not_before, lease_until, contact_at, changed_at, deleted_at)
    ON subscription TO referral_app;
GRANT UPDATE (number) ON subscription_event TO referral_app;
GRANT DELETE ON subscription_event TO referral_app;

-- Rings when there is somebody to tell something, as ring() does for messages.
CREATE FUNCTION ring_subscribers() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('referral_notify', '');
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION ring_subscribers() FROM PUBLIC;
CREATE TRIGGER ring_subscribers AFTER INSERT ON subscription_event FOR EACH STATEMENT EXECUTE FUNCTION ring_subscribers();
-- A client's write names its topic, what a worker notes about a delivery does not.
CREATE TRIGGER ring_handshake AFTER INSERT OR UPDATE OF topic ON subscription FOR EACH STATEMENT
    EXECUTE FUNCTION ring_subscribers();
