-- What the newest messages have taught about a contact, newest first: [{"m": message, "l": lesson, "at": …, "h": hours}].
-- In the row itself: whoever reads a contact needs it, and delivering reads contacts all the time.
ALTER TABLE contact
    ADD COLUMN experience JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN barred_for TEXT,
    ADD COLUMN barred_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN verified_how TEXT,
    -- Who typed it: that person may not vouch for it.
    ADD COLUMN entered_by TEXT,
    -- Somebody of the clinic put another address in its place: the record that still names it does not bring it back.
    ADD COLUMN replaced_at TIMESTAMP WITH TIME ZONE,
    ADD CONSTRAINT ck_contact_barred_for CHECK (barred_for IN ('bad-address', 'wrong-recipient'));

-- A number that reaches a stranger must not come back with a backup (docs/adr/0008).
CREATE TRIGGER note_wrong_recipient AFTER UPDATE OF barred_for ON contact FOR EACH ROW
    WHEN (NEW.barred_for = 'wrong-recipient' AND OLD.barred_for IS DISTINCT FROM 'wrong-recipient')
    EXECUTE FUNCTION note_safety('contact-barred', 'id');
