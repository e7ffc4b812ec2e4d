// The application's table of accounts. Every contender has one, and no scenario harms it: it is not what is compared.
const { ACCOUNTS_URL } = process.env

async function ask(path, question) {
  const answer = await fetch(ACCOUNTS_URL + path, { method: 'POST', body: JSON.stringify(question) })
  return answer.ok
}

/** Whether this is the account's password. */
export const isPassword = (email, password) => ask('/check', { email, password })

/** Changes the password; false if the current one is wrong. */
export const changePassword = (email, current, next) => ask('/change', { email, current, next })
