"""Arithmetic of a process: native (this machine's fastest) or portable (the same digits on every x86-64 with AVX2)."""
