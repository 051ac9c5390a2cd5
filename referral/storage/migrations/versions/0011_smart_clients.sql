-- Systems that sign in with their own key.

SELECT 1;
