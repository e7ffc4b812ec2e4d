"""The application under Flask; `session` is whatever the contender has made of it."""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from datetime import timedelta

from flask import Flask, jsonify, request, session
from waitress import serve as listen


def make_app():
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["SECRET"],
        PERMANENT_SESSION_LIFETIME=timedelta(days=14),
        SESSION_COOKIE_SAMESITE="Lax",
    )
    return app


def ask_accounts(path, question):
    body = json.dumps(question).encode()
    try:
        with urllib.request.urlopen(os.environ["ACCOUNTS_URL"] + path, body, timeout=5):
            return True
    except urllib.error.HTTPError:
        return False


def view():
    return jsonify(email=session["email"], cart=list(session["cart"]), theme=session["theme"])


def serve(app, remember=lambda email: None, end_others=lambda email: None):
    @app.get("/")
    @app.get("/livez")
    def hello():
        return "hello"

    @app.post("/login")
    def login():
        asked = request.get_json()
        if not ask_accounts("/check", asked):
            return "", 403
        session.clear()
        session.permanent = True
        session.update(email=asked["email"], cart={}, theme="light")
        remember(asked["email"])
        return view()

    @app.post("/logout")
    def logout():
        session.clear()
        return "", 204

    @app.before_request
    def guard():
        if request.path in ("/me", "/cart", "/theme", "/password") and "email" not in session:
            return "", 401

    @app.get("/me")
    def me():
        return view()

    @app.post("/cart")
    def add_to_cart():
        session["cart"] = {**session["cart"], request.get_json()["item"]: 1}
        return view()

    @app.post("/theme")
    def set_theme():
        session["theme"] = request.get_json()["theme"]
        return view()

    @app.post("/password")
    def change_password():
        if not ask_accounts("/change", {"email": session["email"], **request.get_json()}):
            return "", 403
        end_others(session["email"])
        return view()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # waitress finishes what it has begun
    where = {"host": os.environ["HOST"], "port": int(os.environ["PORT"])}
    # When the lab's clock leaps, nginx's connections have not been idle for a week.
    listen(app, **where, threads=8, channel_timeout=10**9, _quiet=True)
