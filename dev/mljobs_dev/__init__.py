"""Servers for development and tests: emulator, control plane, the stack of both; never shipped."""
