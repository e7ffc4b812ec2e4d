"""Flask-Session: the session is in a central Redis, read at the start of each request and written whole at its end."""

import os

from flask import session
from flask_session import Session
from redis import Redis

from flask_app import make_app, serve

redis = Redis.from_url(os.environ["REDIS_URL"])
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
