-- Emergency access by two people.
SELECT 1;
