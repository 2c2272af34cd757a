"""What guests have in the benchmark of merging: twelve relations, two of which may conflict."""
