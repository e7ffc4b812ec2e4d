import t from 'tap'
import { makeHashing } from '../../src/auth/credentials/hashing.ts'
import { mergeWork, nobodysHashes, type Work, worksLeft } from '../../src/domain/password-hash.ts'

// Hashes that accounts bring along. Those of this password were made by Django 5.2, passlib 1.7 and bcrypt 5.0, all of Python.

const PASSWORD = '열쇠 seven red bicycles'
const HASHES: Record<string, string> = {
  'pbkdf2_sha256 of Django': 'pbkdf2_sha256$1000$kX2vQ0a1cJtYw3kZ4AbcdE$R6m4/IivgNP8UYRvvIh8T7Pq0X7r6TYF9ThTIGJBHXw=',
  'pbkdf2_sha512 in the form of Django':
    'pbkdf2_sha512$1000$kX2vQ0a1cJtYw3kZ4AbcdE$mU7BOj/VVcPNrln/c0K0Hfi73W76M01fxI8EVof3BJrg4BtoQMsAhS5zLsDrA7gpYqZV01TAPr61d572JDbFmg==',
  'scrypt of Django':
    'scrypt$1024$kX2vQ0a1cJtYw3kZ4AbcdE$8$5$i4CmhVGX0M0O1IalqmbfMU6+R9HBAoxGkHOi3y8n/vh45wxmuhw+NWSA7/iVTFpWir854c/CEp5yZBNv6yG/CQ==',
  'argon2 of Django':
    'argon2$argon2id$v=19$m=1024,t=2,p=8$a1gydlEwYTFjSnRZdzNrWjRBYmNkRQ$x6I+IOdYLYjYuV0heqrYB/92I2oFfRKYDnehYICHfhQ',
  'bcrypt of Django': 'bcrypt$$2b$04$wQ2YdCQ6v4QXwuEmyKzJ8eXJ2UlAINF0IEt.Sr2jON1pyPyMm2bpq',
  'bcrypt_sha256 of Django': 'bcrypt_sha256$$2b$04$Ba3bcbZrTn1qHMV8d.AY1eDMsf8juwVRbLpkObNDL08i56scj4/Ye',
  'bcrypt $2a$': '$2a$05$sKfsL8CFGAK7VtZJ0qPmiOlxi.74MKbvB2dQnuJbI8CyrH6z2Dife',
  'bcrypt $2b$': '$2b$05$RmpTOzrDZB1K4nYXtgRcmuO.AYaqSBL7C.X81eTUtHWRDWEAAV97S',
  'bcrypt $2y$': '$2y$05$77bAip1vUhDIAPgkdClDNe43Zk83TWaIGnjHKdqlL6FigPdaLJaee',
  'pbkdf2-sha256 of passlib': '$pbkdf2-sha256$1000$35tzzrmX0ppTyhmD8P4/Bw$Ttf2SAfCeV79bA6DqhTWSGJQ25D8TgC0g29dC724muA',
  'pbkdf2-sha512 of passlib':
    '$pbkdf2-sha512$1000$Zaw1BsA4p1QqhTAGYOw9Jw$QBib6XGg.bBdorkHFkt/9tY5rHIZ0KypK/liAuMtCa4rz7ZsZezxMiMmMO8Fxi3pU7Al/Ia/w/iimcttX2esww',
  'scrypt of passlib': '$scrypt$ln=10,r=8,p=1$S2ltTQlBqHUOIWTMGYNQ6g$g1qQW1MBu89QREoXyXmX3aAaW3m7to6qvd9olS3mH8s',
  'argon2id of passlib':
    '$argon2id$v=19$m=512,t=1,p=2$hJASIqQ0ptT63zsHoPQ+Zw$4y+5YcH7QUBTAv7qlSGOZjGmPahtiMfVRHRxE09byAE',
  'PBKDF2-SHA256 in PHC, with a key of two blocks':
    '$pbkdf2-sha256$i=1000,l=64$AAECAwQFBgcICQoLDA0ODw$dNJlG/Ofh+1P+4phUWDGO5bBhT13yaUFNH/fw7Br7XvGiMekso29OW89f4LxCYNQnnkExgqrhMgql90HBN2ZkQ',
  'PBKDF2-SHA512 in PHC':
    '$pbkdf2-sha512$i=1000$AAECAwQFBgcICQoLDA0ODw$If7g52xBXpeMsWzL/q6p6UaGBZYMLYMXsJCF1P4bi6QyFMzpQkl4DP6sUSE9ZywnkKuQtY/Yyl2oY8miHm7drw',
  'scrypt in PHC': '$scrypt$ln=12,r=8,p=2$AAECAwQFBgcICQoLDA0ODw$UwvTmfHb0i7nfsO7vE9KlLVkYU8uIbTPZK2prje9uVs',
}

const hashing = makeHashing({ memoryKib: 1024, passes: 1, lanes: 1, processors: 2 })

for (const [name, hash] of Object.entries(HASHES)) {
  t.test(`${name}: the right password, and no other`, async (t) => {
    t.ok(hashing.read(hash))
    t.equal(await hashing.verify(hash, PASSWORD), true)
    for (const wrong of ['', `${PASSWORD} `, PASSWORD.toUpperCase()]) t.equal(await hashing.verify(hash, wrong), false)
  })
}

t.test('all but a strong argon2id are made anew at the next login', async (t) => {
  const strong = '$argon2id$v=19$m=1024,t=1,p=2$hJASIqQ0ptT63zsHoPQ+Zw$4y+5YcH7QUBTAv7qlSGOZjGmPahtiMfVRHRxE09byAE'
  for (const [name, hash] of Object.entries(HASHES)) t.equal(hashing.isOutdated(hash), true, name)
  t.equal(hashing.isOutdated(strong), false)
})

t.test('bcrypt knows the first 72 bytes, and a NUL is a character like another', async (t) => {
  const long = '$2b$04$CCCCCCCCCCCCCCCCCCCCC.ug0A3dTXhy5U.dFjx/qguZ8I4CB77BC'
  t.equal(await hashing.verify(long, 'x'.repeat(72)), true)
  for (const length of [73, 254, 255, 256, 400]) t.equal(await hashing.verify(long, 'x'.repeat(length)), true)
  t.equal(await hashing.verify(long.replace('$2b$', '$2a$'), 'x'.repeat(256)), true)
  t.equal(await hashing.verify(long, 'x'.repeat(71)), false)
  t.equal(await hashing.verify(long, `${'x'.repeat(71)}é`), false)
  const withNul = '$2b$04$CCCCCCCCCCCCCCCCCCCCC.dxJa8pLUqf6kOlh.2TR39QsOrz1CWvS'
  t.equal(await hashing.verify(withNul, 'ab\0cd'), true)
  for (const wrong of ['ab', 'ab\0', 'ab\0ce']) t.equal(await hashing.verify(withNul, wrong), false)
})

t.test(
  'what another system hashed is the password as it was typed; ours, and any argon2id, its NFC form',
  async (t) => {
    const decomposed = PASSWORD.normalize('NFD')
    t.not(decomposed, PASSWORD)
    t.equal(await hashing.verify(HASHES['bcrypt $2b$'] as string, decomposed), false)
    t.equal(await hashing.verify(HASHES['argon2id of passlib'] as string, decomposed), true)
    t.equal(await hashing.verify(await hashing.hash('é'), 'e\u0301'), true)
  },
)

// ---- Bounds

const KEY = 'A'.repeat(43)
const argon2id = (m: number, t: number, p: number) => `$argon2id$v=19$m=${m},t=${t},p=${p}$${'A'.repeat(22)}$${KEY}`
const scrypt = (ln: number, r: number, p: number) => `$scrypt$ln=${ln},r=${r},p=${p}$${'A'.repeat(22)}$${KEY}`
const django = (n: number, r: number, p: number) => `scrypt$${n}$saltsalt$${r}$${p}$${KEY}=`
const pbkdf2 = (digest: string, i: number, key = KEY) => `$pbkdf2-${digest}$i=${i}$${'A'.repeat(22)}$${key}`
const bcrypt = (cost: string) => `$2b$${cost}$${'.'.repeat(53)}`

const DEAREST = [
  argon2id(262_144, 4, 16),
  argon2id(8, 131_072, 1),
  bcrypt('14'),
  bcrypt('04'),
  scrypt(17, 8, 2),
  scrypt(17, 15, 1),
  django(131_072, 8, 1),
  scrypt(1, 1, 2 ** 20 - 4),
  pbkdf2('sha256', 2 ** 21),
  pbkdf2('sha512', 2 ** 20),
  pbkdf2('sha256', 2 ** 20, 'A'.repeat(86)),
]
const BOMBS = [
  argon2id(262_145, 1, 1),
  argon2id(1_048_576, 1, 1),
  argon2id(999_999_999, 1, 1),
  argon2id(262_144, 5, 1),
  argon2id(8, 131_073, 1),
  argon2id(65_536, 3, 17),
  argon2id(64, 1, 9),
  argon2id(64, 0, 1),
  argon2id(64, 1, 0),
  bcrypt('15'),
  bcrypt('31'),
  bcrypt('99'),
  bcrypt('03'),
  bcrypt('00'),
  scrypt(18, 8, 1),
  scrypt(17, 8, 3),
  scrypt(99, 1, 1),
  scrypt(1, 2 ** 21, 1),
  scrypt(1, 1, 2 ** 21),
  scrypt(0, 8, 1),
  scrypt(16, 1, 1),
  scrypt(14, 0, 1),
  scrypt(14, 8, 0),
  scrypt(14, 999_999_999, 999_999_999),
  django(1_000_000, 8, 1),
  django(1000, 8, 1),
  django(0, 8, 1),
  pbkdf2('sha256', 2 ** 21 + 1),
  pbkdf2('sha512', 2 ** 20 + 1),
  pbkdf2('sha256', 2 ** 20 + 1, 'A'.repeat(86)),
  pbkdf2('sha512', 999_999_999),
  pbkdf2('sha256', 0),
]

t.test(
  'the dearest hashes that are taken, and the cheapest that are not, are told without computing them',
  async (t) => {
    for (const hash of DEAREST) t.ok(hashing.read(hash), hash)
    for (const hash of BOMBS) t.equal(hashing.read(hash), null, hash)
    const dear = makeHashing({ memoryKib: 1_048_576, passes: 2, lanes: 1, processors: 1 })
    t.ok(dear.read(argon2id(1_048_576, 2, 1)), 'ours is taken whatever it costs')
    t.equal(dear.read(argon2id(1_048_577, 1, 1)), null)
  },
)

t.test('at its use a bomb costs what nobody’s hash costs: no memory, no time', async (t) => {
  const { maxRSS } = process.resourceUsage()
  const before = process.cpuUsage()
  for (const hash of BOMBS) t.equal(await hashing.verify(hash, ''), false)
  const { user, system } = process.cpuUsage(before)
  t.ok((user + system) / 1000 < 40 * BOMBS.length, `${user + system} µs`) // a bomb takes a second, or far more
  t.ok(process.resourceUsage().maxRSS - maxRSS < 64 * 1024, 'KiB')
})

const MALFORMED = [
  '',
  'x',
  'seven red bicycles in the rain',
  '5f4dcc3b5aa765d61d8327deb882cf99',
  '$1$abcdefgh$eLjCaO1vhn3u4Ym1M3.5b/',
  '$6$saltsalt$abc',
  '$argon2i$v=19$m=1024,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$m=1024,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA',
  `$argon2id$v=16$m=1024,t=2,p=1$${'A'.repeat(22)}$${KEY}`,
  `${argon2id(1024, 2, 1)}$`,
  ` ${argon2id(1024, 2, 1)}`,
  `${argon2id(1024, 2, 1)}\n`,
  argon2id(1024, -2, 1),
  argon2id(1e21, 2, 1),
  `$argon2id$v=19$m=1024,t=2,p=1$AAAA$${KEY}`,
  `$argon2id$v=19$m=1024,t=2,p=1$${'A'.repeat(22)}$AAAA`,
  `$argon2id$v=19$m=1024,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(88)}`,
  `$argon2id$v=19$m=1024,t=2,p=1$${'A'.repeat(1000)}$${KEY}`,
  `$2x$10$${'.'.repeat(53)}`,
  `$2$10$${'.'.repeat(53)}`,
  `$2b$10$${'.'.repeat(52)}`,
  `$2b$10$${'.'.repeat(54)}`,
  `$2b$10$${'.'.repeat(21)}/${'.'.repeat(31)}`,
  `$2b$10$${'.'.repeat(52)}/`,
  `$2b$10$${'.'.repeat(52)}\0`,
  `$2b$1$${'.'.repeat(53)}`,
  'bcrypt$',
  `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}`,
  `pbkdf2_sha1$1000$saltsalt$${KEY}=`,
  `pbkdf2_sha256$1000$salt$${KEY}=`,
  `pbkdf2_sha256$1e3$saltsalt$${KEY}=`,
  `pbkdf2_sha256$1000$$${KEY}=`,
  `$pbkdf2-sha1$i=1000$${'A'.repeat(22)}$${KEY}`,
]

t.test('what has no form that is taken is none, and lets nobody in', async (t) => {
  for (const hash of MALFORMED) {
    t.equal(hashing.read(hash), null, hash)
    t.equal(await hashing.verify(hash, hash), false)
  }
})

// ---- The gate

t.test('hashes take up the memory that they need, and a cheap one waits for no more than its own', async (t) => {
  const ends: string[] = []
  const big = argon2id(140 * 1024, 1, 1)
  const many = makeHashing({ memoryKib: 1024, passes: 1, lanes: 1, processors: 2 })
  const verify = async (name: string, hash: string) => {
    await many.verify(hash, 'x')
    ends.push(name)
  }
  const { maxRSS } = process.resourceUsage()
  await Promise.all([verify('big', big), verify('small', bcrypt('04')), verify('big', big), verify('big', big)])
  t.strictSame(ends.slice(0, 2), ['small', 'big'], 'a small one is done beside a big one')
  t.ok(process.resourceUsage().maxRSS - maxRSS < 220 * 1024, 'KiB: two big ones are not at work at once')
})

// ---- Equally long

const TWELVE: Work = { kind: 'bcrypt', times: 2 ** 12 }
const TEN: Work = { kind: 'bcrypt', times: 2 ** 10 }
const OWN: Work = { kind: 'argon2id', memoryKib: 19_456, lanes: 1, times: 2 }
const DJANGO: Work = { kind: 'pbkdf2', digest: 'sha256', times: 600_000 }
const OLD: Work = { kind: 'scrypt', n: 2 ** 14, r: 8, times: 1 }

t.test('of each function the dearest work counts, and what is done of it is not done again', async (t) => {
  const works = [TEN, DJANGO, TWELVE, OWN, { ...DJANGO, times: 260_000 }, OLD].reduce<readonly Work[]>(mergeWork, [])
  t.strictSame(works, [TWELVE, DJANGO, OWN, OLD])
  t.strictSame(worksLeft(works, OWN), [TWELVE, DJANGO, OLD])
  t.strictSame(worksLeft(works, TWELVE), [DJANGO, OWN, OLD])
  t.strictSame(worksLeft(works, TEN), [{ kind: 'bcrypt', times: 2 ** 12 - 2 ** 10 }, DJANGO, OWN, OLD])
  t.strictSame(worksLeft(works, { ...DJANGO, times: 260_000 })[1], { ...DJANGO, times: 340_000 })
  t.strictSame(worksLeft([OLD], { ...OLD, n: 2 ** 15 }), [OLD], 'of other parameters it is another function')
})

t.test('hashes of nobody take exactly that work, and no password has them', async (t) => {
  for (const work of [TWELVE, OWN, DJANGO, OLD, { ...TWELVE, times: 2 ** 12 - 2 ** 4 }]) {
    const hashes = nobodysHashes(work)
    t.equal(
      hashes.reduce((sum, hash) => sum + hash.work.times, 0),
      work.times,
    )
    for (const hash of hashes) t.strictSame({ ...hash.work, times: 0 }, { ...work, times: 0 })
  }
  await hashing.spend([
    { kind: 'bcrypt', times: 2 ** 6 - 2 ** 4 },
    { ...DJANGO, times: 1000 },
    { ...OLD, n: 16 },
  ])
})
