# What docs/clients.md shows: a session whose refresh token is in a cookie, which curl keeps in the file `jar`.

api=http://localhost:3000
json='content-type: application/json'
email=ada-$RANDOM@example.org
curl -siw '\n' $api/v1/register -c jar -H "$json" -H "origin: $api" \
  -d "{\"email\":\"$email\",\"password\":\"seven red bicycles in the rain\",\"transport\":\"cookie\"}"
curl -siw '\n' $api/v1/refresh -b jar -c jar -X POST -H "origin: $api"
curl -si $api/v1/logout -b jar -c jar -X POST -H "origin: $api"
