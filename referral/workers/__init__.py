"""The engine that runs things soon: Celery. What has to be done is in the database."""
