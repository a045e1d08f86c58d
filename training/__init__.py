"""Everything that makes the assets the package ships: face model, renderer weights, speech weights."""
