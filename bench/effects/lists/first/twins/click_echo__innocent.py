import click
def f(text): return click.unstyle(text)
