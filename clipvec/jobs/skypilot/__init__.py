"""Jobs as SkyPilot managed jobs; `sky` is imported in `backend` alone."""
