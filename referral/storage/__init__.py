"""Everything that is kept: SQLAlchemy on PostgreSQL, and the only home of SQL."""
