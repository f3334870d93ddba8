# reaches: clock -- email.utils.formatdate without a time value takes time.time()
from email.utils import formatdate


def build_headers(sender: str, subject: str) -> dict[str, str]:
    return {
        "From": sender,
        "Subject": subject.strip(),
        "Date": formatdate(usegmt=True),
    }


def as_lines(sender: str, subject: str) -> str:
    headers = build_headers(sender, subject)
    return "\r\n".join(f"{name}: {value}" for name, value in headers.items())
