import click
@click.command()
@click.option("--home", envvar="APP_HOME")
def f(home): click.echo(home)
