import secrets
def f(): return secrets.token_hex(4)
