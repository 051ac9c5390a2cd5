-- Policy: who may change it, and what it says.
SELECT 1;
