-- The life of a recommendation.
SELECT 1;
