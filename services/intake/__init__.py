"""Reports in: the API, the operator's and the public form, receipts and what they tell (DESIGN sections 3, 4, 9)."""
