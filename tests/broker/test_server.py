"""The embedded server: found, started, restarted without loss, never left behind."""

import redis

from tests.servers import ServerFactory


def test_restart_loses_nothing(server_factory: ServerFactory, tmp_path):
    server = server_factory(tmp_path / "bg")
    client = redis.Redis.from_url(server.url)
    client.set("kept", "yes")
    server.stop()
    assert not server.pid
    server.start()
    assert client.get("kept") == b"yes"
    client.close()
