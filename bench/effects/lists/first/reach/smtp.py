import smtplib
def send(host, text): smtplib.SMTP(host).sendmail("a@b", "c@d", text)
