-- Bookings of chairs.
SELECT 1;
