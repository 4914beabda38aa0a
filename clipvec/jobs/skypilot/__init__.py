"""Jobs as SkyPilot managed jobs; only `backend` imports `sky`."""
