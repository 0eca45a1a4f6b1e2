"""``replicadnn explore``."""

from __future__ import annotations

import click


@click.command(name="explore")
@click.option(
    "--port", type=int, default=5006, show_default=True,
    help="Port on this machine (loopback only); 0: any free one.",
)  # fmt: skip
@click.option(
    "--folder", default=".", show_default=True, metavar="FOLDER",
    help="Where the button of the page saves.",
)  # fmt: skip
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def command(port: int, folder: str, browser: bool) -> int:
    """Look around: sliders for alpha, L, kappa and beta, profiles that follow them.

    Needs the extra 'explore' (pip install 'replicadnn[explore]'). Ends with Ctrl-C.
    """
    from replicadnn.explore.server import serve

    def ready(address: str) -> None:
        click.echo(f"the page is at {address} (Ctrl-C ends it)", err=True)
        if browser:
            import webbrowser

            webbrowser.open(address)

    serve(folder, port, ready=ready)
    return 0
