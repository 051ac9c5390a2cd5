-- Indexes for every search that is served.

SELECT 1;
