-- The orders in which lists are read. Each begins where a page has ended, so the keys of an order are its columns.

CREATE INDEX ix_referral_open_due ON referral (clinic_id, due_at, id) WHERE closed_at IS NULL;
-- The newest ones, and the requests of a period for the reports.
CREATE INDEX ix_referral_created ON referral (clinic_id, created_at, id);
CREATE INDEX ix_message_created ON message (clinic_id, created_at, id);
CREATE INDEX ix_referral_event_opened ON referral_event (clinic_id, referral_id) WHERE event = 'portal-opened';

-- Orders without a date come last: a key that can be NULL is no place to go on from.
DROP INDEX ix_infusion_order_usable;
CREATE INDEX ix_infusion_order_usable ON infusion_order
    (clinic_id, coalesce(first_infusion_on, DATE '9999-12-31'), created_at, id)
    WHERE status IN ('on-hold', 'active');
