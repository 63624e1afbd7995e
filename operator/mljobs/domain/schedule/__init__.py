"""Schedules: when a run is due, what follows from that, and what a JobSchedule shows of it. Pure."""
