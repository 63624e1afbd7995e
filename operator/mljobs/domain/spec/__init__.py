"""What a spec may say: types, rules, and the problems that break them."""
