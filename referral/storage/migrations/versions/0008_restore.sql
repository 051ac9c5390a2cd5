-- Restore mode.
SELECT 1;
