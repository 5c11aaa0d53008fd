"""What people read about the data: funnels now, cards and plots as they come. Reads manifests, never rows."""
