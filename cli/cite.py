"""``replicadnn cite``."""

from __future__ import annotations

import click

#: The article whose equations are solved; tests hold it together with CITATION.cff.
_ARTICLE = r"""@article{Yoshino2020,
  author  = {Yoshino, Hajime},
  title   = {From complex to simple: hierarchical free-energy landscape renormalized in deep
             neural networks},
  journal = {SciPost Physics Core},
  volume  = {2},
  pages   = {005},
  year    = {2020},
  doi     = {10.21468/SciPostPhysCore.2.2.005},
  eprint  = {1910.09918},
  archivePrefix = {arXiv}
}"""

_SOFTWARE = r"""@software{{replicadnn,
  author  = {{{{The replicadnn developers}}}},
  title   = {{replicadnn: replica theory and Monte Carlo of the solution space of deep networks}},
  version = {{{version}}}{revision}
}}"""


@click.command(name="cite")
def command() -> int:
    """Print the BibTeX entries to cite: this program, at its version, and the theory."""
    from replicadnn.provenance import revision, version

    note = f",\n  note    = {{git revision {revision()}}}" if revision() else ""
    click.echo(_SOFTWARE.format(version=version(), revision=note))
    click.echo()
    click.echo(_ARTICLE)
    return 0
