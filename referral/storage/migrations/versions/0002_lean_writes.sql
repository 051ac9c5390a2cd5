-- Fewer locks and indexes on tables that are written much.
SELECT 1;
