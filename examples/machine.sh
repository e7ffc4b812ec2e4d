# What docs/machines.md shows: a token, who it is, what is known of it, its end. Needs curl, a service that runs, and client-secret.json.

api=http://localhost:3000
umask 077
node -p 'const { client_id, client_secret } = JSON.parse(fs.readFileSync("client-secret.json")); `user = "${client_id}:${client_secret}"`' > client.curl
answer=$(curl -s $api/oauth/token -K client.curl -d grant_type=client_credentials -d scope=orders:read)
echo "$answer"
token=$(node -p 'JSON.parse(process.argv[1]).access_token' "$answer")
curl -si $api/v1/verify -H "authorization: Bearer $token"

curl -sw '\n' $api/oauth/introspect -K client.curl -d "token=$token"

curl -si $api/oauth/revoke -K client.curl -d "token=$token"
curl -sw '\n' $api/oauth/introspect -K client.curl -d "token=$token"
