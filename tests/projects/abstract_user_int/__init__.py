"""Django's AbstractUser with an integer key."""
