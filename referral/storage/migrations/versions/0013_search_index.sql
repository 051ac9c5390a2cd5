-- Indexes for every search that is served, and what the planner has to know to choose among them.

-- "after" is a matter of the end of an interval, which the index on its beginning cannot find.
CREATE INDEX ix_search_entry_until ON search_entry (clinic_id, type, parameter, high, id) WHERE high IS NOT NULL;

CREATE INDEX ix_search_entry_number ON search_entry (clinic_id, type, parameter, number, id) WHERE number IS NOT NULL;

-- A status says little and an owner says much, but only together with the parameter: without this every value
-- of every parameter looks equally rare, and a search walks through whatever comes first.
CREATE STATISTICS st_search_entry_value (dependencies, mcv) ON clinic_id, type, parameter, value FROM search_entry;

ALTER STATISTICS st_search_entry_value SET STATISTICS 500;

-- Who did what, and what was done in a time; rows lie on the disk in the order of their time.
CREATE INDEX ix_audit_event_actor ON audit_event (clinic_id, actor_id, id);

CREATE INDEX ix_audit_event_at ON audit_event USING brin (at);
