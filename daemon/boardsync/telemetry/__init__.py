"""Logging, counters and notification of the service manager."""
