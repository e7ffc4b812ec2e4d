# What README.md shows: register, who am I, refresh twice, log out, be refused. Needs curl, and a service that runs.

api=http://localhost:3000
json='content-type: application/json'
email=ada-$RANDOM@example.org
answer=$(curl -s $api/v1/register -H "$json" -d "{\"email\":\"$email\",\"password\":\"seven red bicycles in the rain\"}")
echo "$answer"
access=$(node -p 'JSON.parse(process.argv[1]).access_token' "$answer")
refresh=$(node -p 'JSON.parse(process.argv[1]).refresh_token' "$answer")

curl -sw '\n' $api/v1/me -H "authorization: Bearer $access"

curl -sw '\n' $api/v1/refresh -H "$json" -d "{\"refresh_token\":\"$refresh\"}"
curl -sw '\n' $api/v1/refresh -H "$json" -d "{\"refresh_token\":\"$refresh\"}"

curl -si $api/v1/logout -X POST -H "authorization: Bearer $access"
curl -siw '\n' $api/v1/verify -H "authorization: Bearer $access"
