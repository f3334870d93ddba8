from email.message import EmailMessage
def mail(text):
    m = EmailMessage(); m["Subject"] = "a"; m.set_content(text); return m.get_content()
