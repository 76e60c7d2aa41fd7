"""What people read on screens: the lines of `status`, the troubleshooting guide, `logboat top`."""
