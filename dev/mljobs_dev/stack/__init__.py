"""The development stack: control plane, emulator and operator, each a process of its own."""
