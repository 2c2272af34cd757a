"""Anonymous users for Django: people use a product before they sign up, and keep everything."""

__version__ = "0.1.0"
