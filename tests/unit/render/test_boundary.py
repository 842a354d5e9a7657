"""What a pod may reach of a database server, and nothing beside it."""

import pytest

from layersite.model.site import Database
from layersite.model.yaml import Yaml
from layersite.render.boundary import to_database

INSIDE = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "databases"}}}


@pytest.mark.parametrize(
    ("settings", "to", "port"),
    [
        ({"host": "postgres.databases.svc"}, [INSIDE], 5432),
        ({"host": "postgres.databases.svc.cluster.local", "port": 6432}, [INSIDE], 6432),
        ({"host": "192.0.2.7", "engine": "mariadb"}, [{"ipBlock": {"cidr": "192.0.2.7/32"}}], 3306),
        ({"host": "2001:db8::7"}, [{"ipBlock": {"cidr": "2001:db8::7/128"}}], 5432),
        ({"host": "db.example.com", "cidrs": ["192.0.2.0/24"]}, [{"ipBlock": {"cidr": "192.0.2.0/24"}}], 5432),
    ],
    ids=["service", "service with a port", "address", "IPv6 address", "name with its networks"],
)
def test_the_opening_leads_to_the_server_alone(settings: Yaml, to: Yaml, port: int) -> None:
    opening = to_database(Database.model_validate(settings))
    assert opening == {"to": to, "ports": [{"port": port, "protocol": "TCP"}]}


def test_it_leads_to_servers_of_clones_own_too() -> None:
    instances = {"directory": "/srv/layersite/shop", "ports": "33100-33399"}
    opening = to_database(Database.model_validate({"host": "192.0.2.7", "engine": "mariadb", "instances": instances}))
    own = {"port": 33100, "endPort": 33399, "protocol": "TCP"}
    assert opening["ports"] == [{"port": 3306, "protocol": "TCP"}, own]
