"""What the command lines share: options, tables, values."""
