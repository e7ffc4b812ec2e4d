# What docs/mail.md shows: a password is forgotten, and set anew by the mail that arrives as a file in `mails`.

api=http://localhost:3000
json='content-type: application/json'
email=ada-$RANDOM@example.org
curl -so /dev/null $api/v1/register -H "$json" -d "{\"email\":\"$email\",\"password\":\"seven red bicycles in the rain\"}"
curl -si $api/v1/password/forgot -H "$json" -d "{\"email\":\"$email\"}"
sleep 1
mail=$(ls mails/*.eml | tail -1)
cat "$mail"
code=$(grep -oE '[0-9]{8}' "$mail" | tail -1)
curl -si $api/v1/password/reset -H "$json" -d "{\"email\":\"$email\",\"code\":\"$code\",\"new_password\":\"nine blue umbrellas on the roof\"}"
curl -siw '\n' $api/v1/login -H "$json" -d "{\"email\":\"$email\",\"password\":\"nine blue umbrellas on the roof\"}"
