CREATE TABLE clinic (
    clinic_id UUID NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    letterhead JSONB NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    wrapped_key BYTEA NOT NULL,
    seal_key BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_clinic PRIMARY KEY (clinic_id),
    CONSTRAINT uq_clinic_slug UNIQUE (slug)
);

CREATE TABLE portal_throttle (
    source TEXT NOT NULL,
    window_start TIMESTAMP WITH TIME ZONE NOT NULL,
    misses INTEGER DEFAULT 0 NOT NULL,
    CONSTRAINT pk_portal_throttle PRIMARY KEY (source, window_start)
);

CREATE TABLE request_number (
    clinic_id UUID NOT NULL,
    year INTEGER NOT NULL,
    last INTEGER NOT NULL,
    CONSTRAINT pk_request_number PRIMARY KEY (clinic_id, year)
);

CREATE TABLE search_entry (
    clinic_id UUID NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    parameter TEXT NOT NULL,
    system TEXT,
    value TEXT,
    low TIMESTAMP WITH TIME ZONE,
    high TIMESTAMP WITH TIME ZONE,
    number NUMERIC
);

CREATE INDEX ix_search_entry_date ON search_entry (clinic_id, type, parameter, low, high, id) WHERE low IS NOT NULL;

CREATE INDEX ix_search_entry_owner ON search_entry (clinic_id, type, id, parameter);

CREATE INDEX ix_search_entry_value ON search_entry (clinic_id, type, parameter, value text_pattern_ops, id) WHERE value IS NOT NULL;

CREATE TABLE api_client (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    token_digest BYTEA NOT NULL,
    scopes TEXT[] DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_api_client PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_api_client_token_digest UNIQUE (token_digest),
    CONSTRAINT fk_api_client_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE TABLE audit_event (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_role TEXT,
    address TEXT,
    request_id TEXT,
    action TEXT NOT NULL,
    subtype TEXT NOT NULL,
    entity TEXT,
    patient_id TEXT,
    outcome TEXT DEFAULT '0' NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_audit_event PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_audit_event_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE INDEX ix_audit_event_clinic_id_entity_id ON audit_event (clinic_id, entity, id);

CREATE INDEX ix_audit_event_clinic_id_patient_id_at ON audit_event (clinic_id, patient_id, at);

CREATE TABLE clinician (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    practitioner_id TEXT,
    organization_id TEXT,
    name TEXT NOT NULL,
    credentials TEXT DEFAULT '' NOT NULL,
    npi TEXT,
    taxonomy TEXT,
    kind TEXT NOT NULL,
    practice TEXT DEFAULT '' NOT NULL,
    address TEXT[] DEFAULT '{}' NOT NULL,
    time_zone TEXT NOT NULL,
    search_name TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_clinician PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_clinician_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE INDEX ix_clinician_clinic_id_practitioner_id ON clinician (clinic_id, practitioner_id);

CREATE INDEX ix_clinician_clinic_id_organization_id ON clinician (clinic_id, organization_id);

CREATE INDEX ix_clinician_clinic_id_npi ON clinician (clinic_id, npi);

CREATE INDEX ix_clinician_search_name ON clinician (clinic_id, search_name text_pattern_ops);

CREATE TABLE document (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    patient_id TEXT,
    referral_id TEXT,
    content_type TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    size INTEGER NOT NULL,
    sealed_content BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_document PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_document_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE INDEX ix_document_clinic_id_referral_id ON document (clinic_id, referral_id);

CREATE TABLE patient (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    family TEXT NOT NULL,
    given TEXT NOT NULL,
    birth_date DATE,
    telephone TEXT,
    email TEXT,
    language TEXT,
    search_name TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_patient PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_patient_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE INDEX ix_patient_search_name ON patient (clinic_id, search_name text_pattern_ops);

CREATE TABLE policy_version (
    clinic_id UUID NOT NULL,
    version INTEGER NOT NULL,
    eligible TEXT[] DEFAULT '{}' NOT NULL,
    validity_days INTEGER NOT NULL,
    counts_at_once TEXT[] DEFAULT '{}' NOT NULL,
    allow_single_channel BOOLEAN DEFAULT true NOT NULL,
    red_flags_need_director BOOLEAN DEFAULT true NOT NULL,
    conditions_need_director BOOLEAN DEFAULT true NOT NULL,
    ladder JSONB NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_policy_version PRIMARY KEY (clinic_id, version),
    CONSTRAINT fk_policy_version_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_policy_version_validity CHECK (validity_days BETWEEN 1 AND 3660)
);

CREATE TABLE resource (
    clinic_id UUID NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body JSONB NOT NULL,
    last_updated TIMESTAMP WITH TIME ZONE NOT NULL,
    patient_id TEXT,
    CONSTRAINT pk_resource PRIMARY KEY (clinic_id, type, id),
    CONSTRAINT fk_resource_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE INDEX ix_resource_clinic_id_type_last_updated_id ON resource (clinic_id, type, last_updated, id);

CREATE TABLE resource_history (
    clinic_id UUID NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body JSONB NOT NULL,
    last_updated TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_resource_history PRIMARY KEY (clinic_id, type, id, version),
    CONSTRAINT fk_resource_history_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id)
);

CREATE TABLE staff_user (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    active BOOLEAN DEFAULT true NOT NULL,
    failed_sign_ins INTEGER DEFAULT 0 NOT NULL,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_staff_user PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_staff_user_email UNIQUE (email),
    CONSTRAINT fk_staff_user_clinic_id_clinic FOREIGN KEY(clinic_id) REFERENCES clinic (clinic_id),
    CONSTRAINT ck_staff_user_role CHECK (role IN ('front-desk', 'clinician', 'medical-director', 'admin', 'auditor'))
);

CREATE TABLE audit_chain (
    clinic_id UUID NOT NULL,
    position BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_chain PRIMARY KEY (clinic_id, position),
    CONSTRAINT uq_audit_chain_clinic_id_event_id UNIQUE (clinic_id, event_id),
    CONSTRAINT fk_audit_chain_clinic_id_event_id_audit_event FOREIGN KEY(clinic_id, event_id) REFERENCES audit_event (clinic_id, id)
);

CREATE TABLE contact (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    clinician_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    source TEXT NOT NULL,
    verified_at TIMESTAMP WITH TIME ZONE,
    verified_by TEXT,
    last_success_at TIMESTAMP WITH TIME ZONE,
    last_failure_at TIMESTAMP WITH TIME ZONE,
    active BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT pk_contact PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_contact_clinic_id_clinician_id_id UNIQUE (clinic_id, clinician_id, id),
    CONSTRAINT uq_contact_clinic_id_clinician_id_channel_address UNIQUE (clinic_id, clinician_id, channel, address),
    CONSTRAINT fk_contact_clinic_id_clinician_id_clinician FOREIGN KEY(clinic_id, clinician_id) REFERENCES clinician (clinic_id, id),
    CONSTRAINT ck_contact_channel CHECK (channel IN ('email', 'fax', 'sms', 'post', 'phone'))
);

CREATE TABLE indication_rule (
    clinic_id UUID NOT NULL,
    version INTEGER NOT NULL,
    system TEXT NOT NULL,
    prefix TEXT NOT NULL,
    indication_class TEXT NOT NULL,
    CONSTRAINT pk_indication_rule PRIMARY KEY (clinic_id, version, system, prefix),
    CONSTRAINT fk_indication_rule_clinic_id_version_policy_version FOREIGN KEY(clinic_id, version) REFERENCES policy_version (clinic_id, version),
    CONSTRAINT ck_indication_rule_class CHECK (indication_class IN ('mental-health', 'pain'))
);

CREATE TABLE infusion_order (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    status TEXT NOT NULL,
    planned_sessions INTEGER,
    first_infusion_on DATE,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_infusion_order PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_infusion_order_clinic_id_patient_id_id UNIQUE (clinic_id, patient_id, id),
    CONSTRAINT fk_infusion_order_clinic_id_patient_id_patient FOREIGN KEY(clinic_id, patient_id) REFERENCES patient (clinic_id, id),
    CONSTRAINT ck_infusion_order_status CHECK (status IN ('on-hold', 'active', 'completed', 'revoked', 'entered-in-error'))
);

CREATE INDEX ix_infusion_order_clinic_id_status_first_infusion_on ON infusion_order (clinic_id, status, first_infusion_on);

CREATE TABLE staff_session (
    clinic_id UUID NOT NULL,
    token_digest BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    csrf_token TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff_session PRIMARY KEY (token_digest),
    CONSTRAINT fk_staff_session_clinic_id_user_id_staff_user FOREIGN KEY(clinic_id, user_id) REFERENCES staff_user (clinic_id, id)
);

CREATE TABLE consultation (
    clinic_id UUID NOT NULL,
    encounter_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    held_at TIMESTAMP WITH TIME ZONE NOT NULL,
    recorded_by TEXT NOT NULL,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_consultation PRIMARY KEY (clinic_id, encounter_id),
    CONSTRAINT fk_consultation_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id)
);

CREATE INDEX ix_consultation_clinic_id_order_id ON consultation (clinic_id, order_id);

CREATE TABLE gate (
    clinic_id UUID NOT NULL,
    order_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    CONSTRAINT pk_gate PRIMARY KEY (clinic_id, order_id),
    CONSTRAINT uq_gate_clinic_id_patient_id_order_id UNIQUE (clinic_id, patient_id, order_id),
    CONSTRAINT fk_gate_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id)
);

CREATE TABLE order_indication (
    clinic_id UUID NOT NULL,
    order_id TEXT NOT NULL,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    display TEXT NOT NULL,
    position INTEGER NOT NULL,
    CONSTRAINT pk_order_indication PRIMARY KEY (clinic_id, order_id, system, code),
    CONSTRAINT fk_order_indication_clinic_id_order_id_infusion_order FOREIGN KEY(clinic_id, order_id) REFERENCES infusion_order (clinic_id, id)
);

CREATE TABLE referral (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    number TEXT NOT NULL,
    requisition TEXT NOT NULL,
    task_id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    clinician_id TEXT NOT NULL,
    status TEXT NOT NULL,
    business_status TEXT,
    status_reason TEXT,
    version INTEGER DEFAULT 1 NOT NULL,
    created_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE,
    identified_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    climbed INTEGER DEFAULT 0 NOT NULL,
    shifted_days INTEGER DEFAULT 0 NOT NULL,
    extended_days INTEGER DEFAULT 0 NOT NULL,
    held_at TIMESTAMP WITH TIME ZONE,
    next_step_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_referral PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_referral_clinic_id_number UNIQUE (clinic_id, number),
    CONSTRAINT uq_referral_clinic_id_task_id UNIQUE (clinic_id, task_id),
    CONSTRAINT uq_referral_clinic_id_patient_id_order_id_id_clinician_id UNIQUE (clinic_id, patient_id, order_id, id, clinician_id),
    CONSTRAINT fk_referral_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_referral_clinic_id_clinician_id_clinician FOREIGN KEY(clinic_id, clinician_id) REFERENCES clinician (clinic_id, id)
);

CREATE INDEX ix_referral_clinic_id_order_id ON referral (clinic_id, order_id);

CREATE INDEX ix_referral_clinic_id_patient_id ON referral (clinic_id, patient_id);

CREATE INDEX ix_referral_clinic_id_clinician_id ON referral (clinic_id, clinician_id);

CREATE INDEX ix_referral_next_step ON referral (clinic_id, next_step_at) WHERE next_step_at IS NOT NULL;

CREATE UNIQUE INDEX uq_referral_open ON referral (clinic_id, order_id, clinician_id) WHERE closed_at IS NULL;

CREATE TABLE message (
    clinic_id UUID NOT NULL,
    id UUID NOT NULL,
    referral_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    channel TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    state TEXT DEFAULT 'queued' NOT NULL,
    generation INTEGER DEFAULT 1 NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    tries INTEGER DEFAULT 0 NOT NULL,
    crashes INTEGER DEFAULT 0 NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    letter_id TEXT,
    envelope_id TEXT,
    provider_reference TEXT,
    last_error TEXT,
    secret_note TEXT,
    sent_for_real BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_message PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_message_clinic_id_referral_id_kind_ordinal UNIQUE (clinic_id, referral_id, kind, ordinal),
    CONSTRAINT fk_message_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id),
    CONSTRAINT fk_message_clinic_id_contact_id_contact FOREIGN KEY(clinic_id, contact_id) REFERENCES contact (clinic_id, id),
    CONSTRAINT ck_message_state CHECK (state IN ('queued', 'rendering', 'ready', 'sending', 'accepted', 'delivered', 'failed', 'unknown', 'cancelled', 'dead'))
);

CREATE INDEX ix_message_due ON message (clinic_id, not_before) WHERE state IN ('queued', 'rendering', 'ready', 'sending');

CREATE TABLE portal_credential (
    clinic_id UUID NOT NULL,
    selector TEXT NOT NULL,
    referral_id TEXT NOT NULL,
    message_id UUID NOT NULL,
    secret_digest BYTEA NOT NULL,
    code_digest BYTEA NOT NULL,
    channel TEXT NOT NULL,
    contact_verified BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    revoked_for TEXT,
    attempts INTEGER DEFAULT 0 NOT NULL,
    paused_until TIMESTAMP WITH TIME ZONE,
    frozen_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_portal_credential PRIMARY KEY (clinic_id, selector),
    CONSTRAINT uq_portal_credential_selector UNIQUE (selector),
    CONSTRAINT uq_portal_credential_code_digest UNIQUE (code_digest),
    CONSTRAINT fk_portal_credential_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id)
);

CREATE INDEX ix_portal_credential_clinic_id_referral_id ON portal_credential (clinic_id, referral_id);

CREATE TABLE recommendation (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    referral_id TEXT NOT NULL,
    clinician_id TEXT NOT NULL,
    clinician_kind TEXT NOT NULL,
    decision TEXT NOT NULL,
    covers TEXT[] DEFAULT '{}' NOT NULL,
    red_flags TEXT[] DEFAULT '{}' NOT NULL,
    strength TEXT NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    valid_until TIMESTAMP WITH TIME ZONE NOT NULL,
    response_id TEXT NOT NULL,
    document_id TEXT,
    recorded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_recommendation PRIMARY KEY (clinic_id, id),
    CONSTRAINT uq_recommendation_clinic_id_patient_id_order_id_id UNIQUE (clinic_id, patient_id, order_id, id),
    CONSTRAINT uq_recommendation_clinic_id_referral_id_response_id UNIQUE (clinic_id, referral_id, response_id),
    CONSTRAINT fk_recommendation_clinic_id_patient_id_order_id_referra_2756 FOREIGN KEY(clinic_id, patient_id, order_id, referral_id, clinician_id) REFERENCES referral (clinic_id, patient_id, order_id, id, clinician_id),
    CONSTRAINT ck_recommendation_decision CHECK (decision IN ('recommended', 'recommended-with-conditions', 'not-recommended')),
    CONSTRAINT ck_recommendation_strength CHECK (strength IN ('single-channel', 'recorded-by-staff', 'paper-to-verified-contact', 'two-channel'))
);

CREATE INDEX ix_recommendation_clinic_id_order_id ON recommendation (clinic_id, order_id);

CREATE TABLE referral_event (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    referral_id TEXT NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail JSONB DEFAULT '{}' NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_referral_event PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_referral_event_clinic_id_referral_id_referral FOREIGN KEY(clinic_id, referral_id) REFERENCES referral (clinic_id, id)
);

CREATE INDEX ix_referral_event_clinic_id_referral_id_id ON referral_event (clinic_id, referral_id, id);

CREATE TABLE portal_session (
    clinic_id UUID NOT NULL,
    token_digest BYTEA NOT NULL,
    selector TEXT NOT NULL,
    csrf_token TEXT NOT NULL,
    came_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    one_time_digest BYTEA,
    one_time_until TIMESTAMP WITH TIME ZONE,
    one_time_channel TEXT,
    second_factor_at TIMESTAMP WITH TIME ZONE,
    identified_at TIMESTAMP WITH TIME ZONE,
    strength TEXT,
    sealed_draft BYTEA,
    CONSTRAINT pk_portal_session PRIMARY KEY (token_digest),
    CONSTRAINT fk_portal_session_clinic_id_selector_portal_credential FOREIGN KEY(clinic_id, selector) REFERENCES portal_credential (clinic_id, selector)
);

CREATE INDEX ix_portal_session_clinic_id_selector ON portal_session (clinic_id, selector);

CREATE TABLE recommendation_confirmation (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    recommendation_id TEXT NOT NULL,
    spoke_with TEXT NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_recommendation_confirmation PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_recommendation_confirmation_clinic_id_patient_id_ord_d230 FOREIGN KEY(clinic_id, patient_id, order_id, recommendation_id) REFERENCES recommendation (clinic_id, patient_id, order_id, id)
);

CREATE INDEX ix_recommendation_confirmation_clinic_id_recommendation_id ON recommendation_confirmation (clinic_id, recommendation_id);

CREATE TABLE recommendation_review (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    recommendation_id TEXT NOT NULL,
    accepted BOOLEAN DEFAULT false NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_recommendation_review PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_recommendation_review_clinic_id_patient_id_order_id__bfa1 FOREIGN KEY(clinic_id, patient_id, order_id, recommendation_id) REFERENCES recommendation (clinic_id, patient_id, order_id, id)
);

CREATE INDEX ix_recommendation_review_clinic_id_recommendation_id ON recommendation_review (clinic_id, recommendation_id);

CREATE TABLE recommendation_void (
    clinic_id UUID NOT NULL,
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    recommendation_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    made_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_recommendation_void PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_recommendation_void_clinic_id_patient_id_order_id_re_f4c3 FOREIGN KEY(clinic_id, patient_id, order_id, recommendation_id) REFERENCES recommendation (clinic_id, patient_id, order_id, id)
);

CREATE INDEX ix_recommendation_void_clinic_id_recommendation_id ON recommendation_void (clinic_id, recommendation_id);

CREATE TABLE treatment_start (
    clinic_id UUID NOT NULL,
    id TEXT NOT NULL,
    patient_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    recommendation_id TEXT,
    gate_version BIGINT NOT NULL,
    started_by TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_treatment_start PRIMARY KEY (clinic_id, id),
    CONSTRAINT fk_treatment_start_clinic_id_patient_id_order_id_infusion_order FOREIGN KEY(clinic_id, patient_id, order_id) REFERENCES infusion_order (clinic_id, patient_id, id),
    CONSTRAINT fk_treatment_start_clinic_id_patient_id_order_id_recomm_fce5 FOREIGN KEY(clinic_id, patient_id, order_id, recommendation_id) REFERENCES recommendation (clinic_id, patient_id, order_id, id)
);

CREATE INDEX ix_treatment_start_clinic_id_order_id ON treatment_start (clinic_id, order_id);

