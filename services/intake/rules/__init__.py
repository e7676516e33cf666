"""What a report may say (`report`), what follows from it (`facts`), what receipts look like (`receipts`) and tell (`progress`)."""
