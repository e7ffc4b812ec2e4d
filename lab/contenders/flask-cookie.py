"""Flask as it comes: the session is a signed cookie, and the server remembers nothing."""

from flask_app import make_app, serve

serve(make_app())
