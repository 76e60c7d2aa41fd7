"""Text for terminals: the lists that commands print, `status`, `top` and the troubleshooting guide."""
