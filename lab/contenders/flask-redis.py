"""Flask-Session: the session is in a central Redis, read at the start of each request and written whole at its end."""

import os
import re

from flask import session
from flask_session import Session
from redis import Redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel

from flask_app import make_app, serve


def connect(url):
    kind, hosts, name = re.match(r"redis(\+\w+)?://([^/]+)/?(.*)$", url).groups()
    nodes = [(host, int(port)) for host, port in (each.split(":") for each in hosts.split(","))]
    if kind == "+sentinel":
        return Sentinel(nodes).master_for(name)
    if kind == "+cluster":
        return RedisCluster(startup_nodes=[ClusterNode(*node) for node in nodes])
    return Redis.from_url(url)


redis = connect(os.environ["REDIS_URL"])
app = make_app()
app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis)
Session(app)


def remember(email):
    redis.sadd(f"sessions-of:{email}", session.sid)


def end_others(email):
    ids = {each.decode() for each in redis.smembers(f"sessions-of:{email}")}
    for sid in ids - {session.sid}:
        redis.delete(f"session:{sid}")


serve(app, remember, end_others)
