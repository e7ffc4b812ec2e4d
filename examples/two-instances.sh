# What docs/operating.md shows: two instances on one Redis, until Ctrl-C.

export AUTH_SECRET=$(node -p "require('crypto').randomBytes(32).toString('base64url')")
export REDIS_URL=redis://localhost ISSUER=http://localhost:3001
(PORT=3001 node dist/main.js & PORT=3002 node dist/main.js)
