"""What `mljobs leftovers` is made of."""
