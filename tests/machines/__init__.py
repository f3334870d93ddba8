"""Emulated machines, for kernels and processors that the machine at hand has not: small Debian systems under QEMU.

``make aarch64`` and ``make x86_64`` boot them. What each has to show stands in `scenarios`; `debian` fetches packages,
`image` makes a system of them, `qemu` boots it, and there `guest` is the first process and runs what it was ordered to.
"""
