-- Exports of many resources.

SELECT 1;
