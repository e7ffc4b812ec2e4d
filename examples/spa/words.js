// Every word of the page, in both languages.

const english = {
  theme: 'Theme',
  theme_system: 'System',
  theme_light: 'Light',
  theme_dark: 'Dark',
  language: 'Language',
  log_in: 'Log in',
  register: 'Register',
  door_hint: 'One login, any instance: nothing you do here is lost when a server dies.',
  email: 'E-mail address',
  password: 'Password',
  password_hint: 'At least 15 characters. A sentence is fine.',
  remember: 'Remember me',
  no_account: 'No account yet?',
  has_account: 'Already registered?',
  welcome: 'Welcome, {name}',
  visits: 'Visit {count} of this login',
  log_out: 'Log out',
  cart: 'Cart',
  cart_total: '{count} in your cart',
  tea: 'Green tea',
  honey: 'Honey',
  pears: 'Pears',
  add: 'Add {product}',
  remove: 'Remove {product}',
  devices: 'Where you are logged in',
  this_device: 'this device',
  remembered: 'remembered',
  used: 'last used {time}',
  log_out_there: 'Log out there',
  log_out_at: 'Log out there: {device}',
  log_out_others: 'Log out everywhere else',
  log_out_all: 'Log out everywhere',
  change_password: 'Change your password',
  current_password: 'Current password',
  new_password: 'New password',
  change: 'Change it',
  access_token: 'Access token',
  renews_in: 'renews in {seconds} s',
  renewing: 'renewing',
  token_hint:
    'Kept in memory only, renewed once for all tabs. The refresh token is in a cookie that no script can read.',
  instances: 'Instances',
  instance: 'Instance {name}',
  up: 'up',
  down: 'down',
  answered: '{count} answered',
  kill: 'Kill',
  restart: 'Restart',
  kill_it: 'Kill instance {name}',
  restart_it: 'Restart instance {name}',
  calls: 'Latest calls',
  call_of: '{status}, instance {instance}',
  working: 'One moment …',
  well_again: 'The service is back. Nothing was lost.',
  away: 'The service cannot answer right now. Nothing is lost; trying again in {seconds} s.',
  slow_down: 'Too many requests. Trying again in {seconds} s.',
  done_others: 'Logged out everywhere else.',
  done_there: 'Logged out there.',
  done_password: 'Your password is changed. Every other device is logged out.',
  over: 'You are logged out.',
  over_password_changed: 'You are logged out: the password was changed on another device.',
  over_revoked: 'You are logged out: another device ended this session.',
  over_timeout: 'You are logged out: you were away for long.',
  over_token_reused: 'You are logged out: somebody else used the key of this session.',
  fault_bad_request: 'Fill in both fields, with a full e-mail address.',
  fault_bad_credentials: 'The e-mail address or the password is wrong.',
  fault_wrong_password: 'The current password is wrong.',
  fault_email_taken: 'There is an account with this address: log in.',
  fault_too_many_requests: 'Too many attempts. Try again in {seconds} s.',
  fault_away: 'The service cannot answer right now. Try again in a moment.',
  fault_in_doubt:
    'There was no answer, so the password may have been changed already. Try again; if the current one is refused, it was.',
}

const korean = {
  theme: '테마',
  theme_system: '시스템',
  theme_light: '밝게',
  theme_dark: '어둡게',
  language: '언어',
  log_in: '로그인',
  register: '회원가입',
  door_hint: '한 번 로그인하면 어느 서버가 응답하든 이어집니다. 서버가 죽어도 잃는 것이 없습니다.',
  email: '이메일 주소',
  password: '비밀번호',
  password_hint: '15자 이상. 문장도 좋습니다.',
  remember: '로그인 유지',
  no_account: '아직 계정이 없으신가요?',
  has_account: '이미 가입하셨나요?',
  welcome: '{name} 님, 환영합니다',
  visits: '이번 로그인에서 {count}번째 방문',
  log_out: '로그아웃',
  cart: '장바구니',
  cart_total: '담은 상품 {count}개',
  tea: '녹차',
  honey: '꿀',
  pears: '배',
  add: '{product} 담기',
  remove: '{product} 빼기',
  devices: '로그인된 기기',
  this_device: '이 기기',
  remembered: '로그인 유지',
  used: '마지막 사용 {time}',
  log_out_there: '그곳에서 로그아웃',
  log_out_at: '그곳에서 로그아웃: {device}',
  log_out_others: '다른 모든 기기에서 로그아웃',
  log_out_all: '모든 기기에서 로그아웃',
  change_password: '비밀번호 변경',
  current_password: '현재 비밀번호',
  new_password: '새 비밀번호',
  change: '변경하기',
  access_token: '액세스 토큰',
  renews_in: '{seconds}초 뒤 갱신',
  renewing: '갱신 중',
  token_hint:
    '메모리에만 있으며 모든 탭에서 한 번만 갱신합니다. 리프레시 토큰은 스크립트가 읽을 수 없는 쿠키에 있습니다.',
  instances: '인스턴스',
  instance: '인스턴스 {name}',
  up: '동작 중',
  down: '중지됨',
  answered: '응답 {count}회',
  kill: '죽이기',
  restart: '다시 시작',
  kill_it: '인스턴스 {name} 죽이기',
  restart_it: '인스턴스 {name} 다시 시작',
  calls: '최근 호출',
  call_of: '{status}, 인스턴스 {instance}',
  working: '잠시만 기다려 주세요 …',
  well_again: '서비스가 돌아왔습니다. 잃은 것은 없습니다.',
  away: '지금은 서비스가 응답하지 못합니다. 잃는 것은 없으며 {seconds}초 뒤 다시 시도합니다.',
  slow_down: '요청이 너무 많습니다. {seconds}초 뒤 다시 시도합니다.',
  done_others: '다른 모든 기기에서 로그아웃했습니다.',
  done_there: '그 기기에서 로그아웃했습니다.',
  done_password: '비밀번호를 변경했습니다. 다른 모든 기기는 로그아웃되었습니다.',
  over: '로그아웃되었습니다.',
  over_password_changed: '다른 기기에서 비밀번호를 변경하여 로그아웃되었습니다.',
  over_revoked: '다른 기기에서 이 세션을 종료하여 로그아웃되었습니다.',
  over_timeout: '오래 자리를 비워 로그아웃되었습니다.',
  over_token_reused: '다른 누군가가 이 세션의 열쇠를 사용하여 로그아웃되었습니다.',
  fault_bad_request: '두 칸을 모두 채우고 이메일 주소를 정확히 적어 주세요.',
  fault_bad_credentials: '이메일 주소 또는 비밀번호가 올바르지 않습니다.',
  fault_wrong_password: '현재 비밀번호가 올바르지 않습니다.',
  fault_email_taken: '이 주소로 가입한 계정이 있습니다. 로그인해 주세요.',
  fault_too_many_requests: '시도가 너무 많습니다. {seconds}초 뒤 다시 시도해 주세요.',
  fault_away: '지금은 서비스가 응답하지 못합니다. 잠시 뒤 다시 시도해 주세요.',
  fault_in_doubt:
    '응답이 없어 비밀번호가 이미 변경되었을 수 있습니다. 다시 시도해 보고 현재 비밀번호가 거부되면 변경된 것입니다.',
  rule_too_short: '15자 이상으로 해 주세요.',
  rule_too_long: '256자 이하로 해 주세요.',
  rule_too_common: '가장 흔한 비밀번호 가운데 하나입니다.',
  rule_too_similar: '이메일 주소나 이 서비스의 이름은 쓸 수 없습니다.',
}

const languages = { en: english, ko: korean }
let language = navigator.languages.some((each) => each.startsWith('ko')) ? 'ko' : 'en'

/** The language that is spoken now: `en` or `ko`. */
export function spoken() {
  return language
}

/** Speaks this language from now on, if it is one of the two. */
export function speak(chosen) {
  if (Object.hasOwn(languages, chosen)) language = chosen
}

/** Whether there are words for this. */
export function knows(key) {
  return Object.hasOwn(languages[language], key)
}

/** The words for this, with `{name}` replaced by `values.name`. */
export function words(key, values = {}) {
  return languages[language][key].replaceAll(/\{(\w+)\}/g, (_, name) => values[name])
}

/** A moment, as people say it. */
export function moment(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
}
