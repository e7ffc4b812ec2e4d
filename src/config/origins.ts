import { isName } from './hosts.ts'

/**
 * What is wrong with an ISSUER; null: nothing. Other services compare the issuer as a text, so only its canonical form is
 * right.
 */
export function faultOfIssuer(text: string): string | null {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) return 'must be an http or https URL'
  const { username, password } = new URL(text)
  if (username !== '' || password !== '') return 'must be a URL without user and password'
  if (/[?#]|\/$/.test(text)) return 'must be a URL without query, fragment or trailing slash'
  if (isCanonicalUrl(text)) return null
  return 'must be a URL in its canonical form: lower case, punycode, no default port, nothing to be escaped or resolved'
}

/** What is wrong with a BREACHED_PASSWORDS_URL, to which the beginning of a hash is added; null: nothing. */
export function faultOfBreachesUrl(text: string): string | null {
  const isFolder = text.endsWith('/') && faultOfIssuer(text.slice(0, -1)) === null
  return isFolder ? null : 'must be an http or https URL that ends in a slash, without credentials, query or fragment'
}

/** Whether a text can be the audience of a token: any printable ASCII, but an http or https URL only in its canonical form. */
export function isAudience(text: string): boolean {
  return /^https?:/i.test(text) ? isCanonicalUrl(text) : /^[\x20-\x7e]+$/.test(text)
}

function isCanonicalUrl(text: string): boolean {
  const href = URL.canParse(text) ? new URL(text).href : ''
  return href === text || href === `${text}/`
}

/** The schemes whose origin the URL standard defines, or that have none. */
const SPECIAL = /^(?:https?|wss?|ftp|file|blob|data|about|javascript):/
/** The origin of an app in a web view, like `capacitor://localhost` or `app://-`: the URL standard gives such schemes no origin. */
const WEB_VIEW = /^[a-z][a-z\d+.-]*:\/\/[a-z\d_.-]+(?::[1-9]\d{0,4})?$/

/** Whether a text is an origin as a browser or a web view sends it. */
export function isOrigin(text: string): boolean {
  if (!SPECIAL.test(text)) return WEB_VIEW.test(text)
  return URL.canParse(text) && /^https?:\/\/[^*]+$/.test(text) && new URL(text).origin === text
}

/** Whether a text is an origin that a passkey can be used from: as a browser sends it, or as Android does for an app. */
export function isPasskeyOrigin(text: string): boolean {
  return /^android:apk-key-hash:[\w-]{43}$/.test(text) || isOrigin(text)
}

/** Whether a text is a domain name that a cookie can have: in lower case, no address. */
export function isDomain(text: string): boolean {
  return /^(?!-)[a-z\d-]+(?:\.[a-z\d-]+)*$/.test(text) && isName(text)
}

/** The commonest registries under the domains of countries, as in `co.uk`: no browser keeps a cookie for a registry. */
const REGISTRY = /^(?:ac|com?|edu|gov?|mil|net?|org?)\.[a-z]{2}$/

/**
 * Whether browsers keep a cookie of this domain from `issuer`, RFC 6265 section 5.3. Only the commonest registries are known
 * here.
 */
export function isCookieDomainOf(issuer: string, domain: string): boolean {
  const host = new URL(issuer).hostname
  if (host === 'localhost') return domain === host
  const isAbove = host === domain || host.endsWith(`.${domain}`)
  return isAbove && domain.includes('.') && !REGISTRY.test(domain)
}
