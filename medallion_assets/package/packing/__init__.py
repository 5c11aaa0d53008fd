"""Documents in bins: what becomes of long ones, which go together, and where they wait."""
