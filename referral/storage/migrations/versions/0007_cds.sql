-- Who may call CDS Hooks, and what they answered.
SELECT 1;
