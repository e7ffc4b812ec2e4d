# What docs/second-factors.md shows: an app is enrolled, and asked for at the next login. Needs curl, and a service that runs.

api=http://localhost:3000
json='content-type: application/json'
person="\"email\":\"ada-$RANDOM@example.org\",\"password\":\"seven red bicycles in the rain\""
member() { node -p 'JSON.parse(process.argv[1])[process.argv[2]]' "$1" "$2"; }
answer=$(curl -s $api/v1/register -H "$json" -d "{$person}")
bearer="authorization: Bearer $(member "$answer" access_token)"

code() { node -e '
  const [secret, later] = process.argv.slice(1)
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"))
  const key = Buffer.from(bits.join("").match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + Number(later)))
  const hmac = crypto.createHmac("sha1", key).update(step).digest()
  console.log(String((hmac.readUInt32BE(hmac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, "0"))' "$1" "$2"; }

answer=$(curl -s $api/v1/factors/totp -X POST -H "$bearer")
echo "$answer"
secret=$(member "$answer" secret)
answer=$(curl -s $api/v1/factors/totp/confirm -H "$bearer" -H "$json" -d "{\"code\":\"$(code $secret 0)\"}")
echo "$answer"
recovery=$(member "$answer" recovery_codes | grep -oE -m1 '[0-9A-Z]{5}-[0-9A-Z]{5}')

answer=$(curl -s $api/v1/login -H "$json" -d "{$person}")
echo "$answer"
challenge=$(member "$answer" challenge)
answer=$(curl -s $api/v1/login/second-factor -H "$json" -d "{\"challenge\":\"$challenge\",\"totp\":\"$(code $secret 1)\"}")
echo "$answer"
bearer="authorization: Bearer $(member "$answer" access_token)"

curl -sw '\n' $api/v1/step-up -H "$bearer" -H "$json" -d '{"password":"seven red bicycles in the rain"}'
curl -sw '\n' $api/v1/step-up -H "$bearer" -H "$json" -d "{\"recovery_code\":\"$recovery\"}"
curl -sw '\n' $api/v1/factors -H "$bearer"
