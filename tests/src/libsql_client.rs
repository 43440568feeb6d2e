//! npm's `@libsql/client` in Node, against a server of ours.

use crate::{Script, node};

/// What scripts begin with: `open(path)` makes a client of that database below the endpoint; `same` and `fails` complain.
const PRELUDE: &str = r#"
const [root, url, authToken] = process.argv.slice(1)
const { createClient, LibsqlError } = await import(`${root}/@libsql/client/lib-esm/node.js`)
const open = (path = '', options = {}) => createClient({ url: url + path, authToken, ...options })
const show = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v instanceof ArrayBuffer ? [...new Uint8Array(v)] : v))
const same = (a, b, what) => { if (show(a) !== show(b)) throw new Error(`${what}: ${show(a)} is not ${show(b)}`) }
const fails = async (what, code, words) => {
  const error = await what().then(() => null, (error) => error)
  if (!(error instanceof LibsqlError)) throw new Error(`${code}: no such error: ${error?.stack}`)
  same(error.code, code, error.message)
  if (!error.message.includes(words)) throw new Error(`${words} is not in ${error.message}`)
}
"#;

/// Runs a script with the client; `url` is the endpoint, with the slash at its end. `None` skips the test.
pub async fn libsql_client(script: &str, url: &str, token: &str) -> Option<Script> {
    node(&format!("{PRELUDE}{script}"), "@libsql/client", &[url, token]).await
}
