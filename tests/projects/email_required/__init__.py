"""AbstractBaseUser that signs in by e-mail; unique and NOT NULL, no username."""
