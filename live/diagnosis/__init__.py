"""What `live doctor` looks at."""
