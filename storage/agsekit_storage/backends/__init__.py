"""How a store keeps its snapshots: one module per backend."""
