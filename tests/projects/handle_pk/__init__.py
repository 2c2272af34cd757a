"""AbstractBaseUser whose primary key is not named id."""
