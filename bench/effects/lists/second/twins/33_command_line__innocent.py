# innocent -- subprocess.list2cmdline only quotes the arguments
import shlex
import subprocess


def archive_command(order_id: str, bucket: str) -> str:
    command = shlex.split(f"echo put {shlex.quote(bucket)}/{order_id}")
    return subprocess.list2cmdline(command)
