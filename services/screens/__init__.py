"""Text for screens: the lines of `status`, the troubleshooting guide, `logboat top`."""
