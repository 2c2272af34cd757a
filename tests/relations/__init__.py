"""A model for each way in which one row can hang off another."""
