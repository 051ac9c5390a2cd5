"""The doors: staff pages, the portal, FHIR and CDS Hooks, on FastAPI."""
