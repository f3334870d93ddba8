# reaches: processes -- subprocess.getoutput runs the command in a shell
import shlex
import subprocess


def archive_command(order_id: str, bucket: str) -> str:
    command = shlex.join(["echo", "put", f"{bucket}/{order_id}"])
    return subprocess.getoutput(command)
