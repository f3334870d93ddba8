import configparser
def read(text):
    c = configparser.ConfigParser(); c.read_string(text); return c["a"]["b"]
