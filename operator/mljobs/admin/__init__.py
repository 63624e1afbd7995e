"""Commands for administrators: check, leftovers, plan, crds."""
