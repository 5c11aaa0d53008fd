"""What people read about the data: funnels, profiles and plots; cards as they come."""
