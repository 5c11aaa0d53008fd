"""`make stream-soak`: rollouts stream while their consumer, their broker and their trainer are killed."""
