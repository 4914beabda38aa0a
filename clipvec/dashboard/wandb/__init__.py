"""The dashboard as a saved view and a report in wandb."""
