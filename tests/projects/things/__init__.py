"""What users have in all of the projects."""
