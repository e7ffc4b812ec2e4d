// Makes lines for an import out of what another system has exported: node convert.mjs supabase|auth0|keycloak|django FILE > users.ndjson
// An account that is closed there, or has no address, is left out. One whose password cannot be taken along is moved without it.

import { readFileSync } from 'node:fs'

const lines = (text) => text.split('\n').filter(Boolean).map(JSON.parse)
const unpadded = (base64) => base64.replace(/=+$/, '')

const SYSTEMS = {
  /** Rows of auth.users: psql -Atc 'select row_to_json(u) from auth.users u' */
  supabase: (text) =>
    lines(text).map((row) => ({
      isOpen: !row.deleted_at && !(Date.parse(row.banned_until) > Date.now()),
      id: row.id,
      email: row.email,
      email_verified: row.email_confirmed_at != null,
      password_hash: row.encrypted_password,
    })),

  /** The export of password hashes, which Auth0's support makes. */
  auth0: (text) =>
    lines(text).map(({ _id: id, ...user }) => ({
      isOpen: true, // the file does not say
      id: id.$oid,
      email: user.email,
      email_verified: user.email_verified,
      password_hash: user.passwordHash,
    })),

  /** A realm with its users: kc.sh export --realm shop --users realm_file --file keycloak.json */
  keycloak: (text) =>
    JSON.parse(text).users.map((user) => ({
      isOpen: user.enabled,
      id: user.id,
      email: user.email,
      email_verified: user.emailVerified,
      password_hash: keycloakHash(user.credentials?.find(({ type }) => type === 'password')),
      roles: user.realmRoles?.filter((role) => !role.startsWith('default-roles-')),
    })),

  /** Rows of auth_user: manage.py dumpdata auth.user */
  django: (text) =>
    JSON.parse(text).map(({ pk, fields }) => ({
      isOpen: fields.is_active,
      id: `${pk}`,
      email: fields.email,
      password_hash: fields.password.startsWith('!') ? undefined : fields.password,
    })),
}

/** The PHC string of a password of Keycloak; undefined: of a function that is not taken. */
function keycloakHash(credential) {
  if (credential === undefined) return undefined
  const { value, salt } = JSON.parse(credential.secretData)
  const { algorithm, hashIterations: times, additionalParameters: more } = JSON.parse(credential.credentialData)
  const [saltText, key] = [unpadded(salt), unpadded(value)]
  if (/^pbkdf2-sha(256|512)$/.test(algorithm)) return `$${algorithm}$i=${times}$${saltText}$${key}`
  if (algorithm !== 'argon2' || more.type[0] !== 'id' || more.version[0] !== '1.3') return undefined
  return `$argon2id$v=19$m=${more.memory[0]},t=${times},p=${more.parallelism[0]}$${saltText}$${key}`
}

const [system, file] = process.argv.slice(2)
const users = SYSTEMS[system](readFileSync(file, 'utf8'))
const moved = users.filter(({ isOpen, email }) => isOpen && email)
for (const { isOpen: _, ...user } of moved)
  console.log(JSON.stringify({ ...user, password_hash: user.password_hash || undefined }))
console.error(
  `${moved.length} accounts, ${users.length - moved.length} left out; ` +
    `${moved.filter((user) => !user.password_hash).length} without a password: their owners set one by mail.`,
)
