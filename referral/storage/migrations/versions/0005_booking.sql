-- Bookings of chairs. A chair holds one patient at a time and a patient sits in one chair: the database refuses
-- the rest, whoever writes and however many at once.

CREATE TABLE chair (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_chair PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_chair_clinic_id_name UNIQUE (clinic_id, name),
    CONSTRAINT fk_chair_clinic_id_clinic FOREIGN KEY (clinic_id) REFERENCES clinic (clinic_id)
);

CREATE TABLE booking (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    chair_id TEXT,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status TEXT NOT NULL,
    release_at TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    noted_at TIMESTAMP WITH TIME ZONE,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    version INTEGER DEFAULT 1 NOT NULL,
    CONSTRAINT pk_booking PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_booking_clinic_id_patient_id_order_id_infusion_order
        FOREIGN KEY (clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_booking_clinic_id_chair_id_chair FOREIGN KEY (clinic_id, chair_id) REFERENCES chair (clinic_id, id),
    CONSTRAINT ck_booking_status CHECK (status IN ('pending', 'booked', 'arrived', 'checked-in', 'fulfilled',
                                                   'cancelled', 'noshow', 'entered-in-error')),
    -- The longest that one takes: who looks for bookings of a time need not look further back.
    CONSTRAINT ck_booking_times CHECK (starts_at < ends_at AND ends_at <= starts_at + interval '12 hours'),
    -- A tentative booking always has its end; nothing else has one.
    CONSTRAINT ck_booking_release CHECK ((status = 'pending') = (release_at IS NOT NULL)),
    CONSTRAINT ex_booking_chair EXCLUDE USING gist (clinic_id WITH =, chair_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (status IN ('pending', 'booked', 'arrived', 'checked-in', 'fulfilled')),
    CONSTRAINT ex_booking_patient EXCLUDE USING gist (clinic_id WITH =, patient_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (status IN ('pending', 'booked', 'arrived', 'checked-in', 'fulfilled'))
);
CREATE INDEX ix_booking_clinic_id_starts_at_id ON booking (clinic_id, starts_at, id);
CREATE INDEX ix_booking_clinic_id_order_id ON booking (clinic_id, order_id);
CREATE INDEX ix_booking_release ON booking (clinic_id, release_at) WHERE release_at IS NOT NULL;
CREATE INDEX ix_booking_unnoted ON booking (clinic_id, changed_at) WHERE reason = 'released' AND noted_at IS NULL;

ALTER TABLE chair ENABLE ROW LEVEL SECURITY;
ALTER TABLE chair FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON chair USING (clinic_id = current_clinic());
ALTER TABLE booking ENABLE ROW LEVEL SECURITY;
ALTER TABLE booking FORCE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON booking USING (clinic_id = current_clinic());

-- Nothing is taken away, and a booking is never moved to another order or patient.
GRANT SELECT, INSERT ON chair, booking TO referral_app;
GRANT UPDATE (name, active) ON chair TO referral_app;
GRANT UPDATE (chair_id, starts_at, ends_at, status, release_at, reason, noted_at, changed_at, version) ON booking
    TO referral_app;
