"""Text for terminals: the lines of `status`, the troubleshooting guide, `logboat top`."""
