-- Subscriptions and what was sent to them.

SELECT 1;
