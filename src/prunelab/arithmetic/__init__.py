"""The arithmetic of a process: the machine's fastest, or one that gives the same digits on every x86-64 with AVX2."""
