"""AbstractBaseUser that signs in by e-mail; unique, NULL where there is none; UUID key."""
