-- Mail that came back (docs/adr/0022). Of the whole installation, so without a clinic: most of it belongs to none, and
-- the digest of a mail says nothing about anybody. It makes each mail count once, and feeds the metrics.

CREATE TABLE returned_mail (
    digest TEXT NOT NULL,
    outcome TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_returned_mail PRIMARY KEY (digest),
    CONSTRAINT ck_returned_mail_outcome CHECK (outcome IN
        ('failed', 'delivered', 'delayed', 'nothing', 'automatic-reply', 'forged', 'unknown', 'odd'))
);

CREATE INDEX ix_returned_mail_received_at ON returned_mail (received_at);

GRANT SELECT, INSERT, DELETE ON returned_mail TO referral_app;
