"""What commands and screens share: errors, the environment, the stores on the command line, JSON output."""
