# reaches: files-read, environment -- create_default_context loads the CA files and asks os.environ for SSLKEYLOGFILE
import ssl


def client_options(host: str, verify: bool = True) -> dict[str, object]:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"server_hostname": host, "ssl": context}


def minimum_version(host: str) -> int:
    return int(client_options(host)["ssl"].minimum_version)
