"""Which adapter speaks with which kind of forge, of those that are told of by an address and a token."""

from collections.abc import Mapping

from layersite.forge._pulls import PullForge
from layersite.forge.gitea import GiteaForge
from layersite.forge.github import GitHubForge
from layersite.forge.gitlab import GitLabForge

__all__ = ["HOSTS"]

HOSTS: Mapping[str, type[PullForge]] = {"gitea": GiteaForge, "github": GitHubForge, "gitlab": GitLabForge}
