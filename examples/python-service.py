from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

issuer = 'http://localhost:3000'  # ISSUER; also the audience, unless AUDIENCE is set
keys = jwt.PyJWKClient(f'{issuer}/.well-known/jwks.json')


def who_calls(token):
    if jwt.get_unverified_header(token).get('typ') != 'at+jwt':
        raise jwt.InvalidTokenError('no access token')
    key = keys.get_signing_key_from_jwt(token)
    return jwt.decode(token, key.key, algorithms=['ES256'], issuer=issuer, audience=issuer, leeway=10)['sub']


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = 200, ''
        try:
            text = who_calls(self.headers.get('authorization', '')[len('Bearer '):])
        except (OSError, jwt.PyJWKClientError):  # the keys could not be fetched
            status = 503
        except jwt.PyJWTError:
            status = 401
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f'{text}\n'.encode())


ThreadingHTTPServer(('localhost', 4000), Service).serve_forever()
