//! KeyVal as its users meet it: the real Deno and npm's client, against the real runner.

use std::{sync::Arc, time::Duration};

use buntime_database::sqlite::{Options as File, Sqlite};
use buntime_keyval::{Engine, Limits, Options};
use buntime_tests::{Gateway, deno, node};
use serde_json::{Value, json};

const TOKEN: &str = "a-long-and-random-text";

async fn gateway(settings: Value) -> Gateway {
    Gateway::start(json!({ "plugins": [["@buntime/plugin-keyval", settings]] })).await
}

/// Fails where Deno's own store would not.
const EVERYTHING: &str = r#"
const kv = await Deno.openKv(Deno.args[0])
const say = (ok: boolean, what: string) => { if (!ok) throw new Error(what) }
const same = (a: unknown, b: unknown, what: string) => say(Deno.inspect(a) === Deno.inspect(b), `${what}: ${Deno.inspect(a)} is not ${Deno.inspect(b)}`)

// Values of every type come back as they were.
const cycle: Record<string, unknown> = { name: "cycle" }
cycle.self = cycle
const values = [undefined, null, true, 0, -0, 1.5, NaN, Infinity, 2n ** 70n, -5n, "", "ä\u{1f600}", new Date(5), /a+/gi, [1, , 3],
  { a: { b: [1, "x"] } }, new Map([["k", new Set([1n])]]), new Uint8Array([0, 255]), new Float64Array([1.5]), cycle, new Deno.KvU64(2n ** 64n - 1n)]
for (const [at, value] of values.entries()) {
  await kv.set(["values", at], value)
  same((await kv.get(["values", at])).value, value, `value ${at}`)
}

// Keys of every type, in Deno's order.
const keys = [new Uint8Array([0]), new Uint8Array([0, 255]), "", "a", "a\0", "ab", "b", -(2n ** 65n), -1n, 0n, 1n, 2n ** 65n, -Infinity, -1, -0, 0, 0.5, 1, Infinity, false, true]
for (const part of [...keys].reverse()) await kv.set(["keys", part], 1)
const listed = []
for await (const entry of kv.list({ prefix: ["keys"] }, { batchSize: 3 })) listed.push(entry.key[1])
same(listed, keys, "order")
const back = []
for await (const entry of kv.list({ prefix: ["keys"], start: ["keys", 0] }, { reverse: true, limit: 3 })) back.push(entry.key[1])
same(back, [true, false, Infinity], "reverse")

// No sibling of a prefix.
await kv.set(["user", 1], 1); await kv.set(["users", 1], 1); await kv.set(["user2"], 1)
const below = []
for await (const entry of kv.list({ prefix: ["user"] })) below.push(entry.key)
same(below, [["user", 1]], "siblings")

// Atomic: all or nothing, in the order of commits.
const first = await kv.atomic().check({ key: ["a"], versionstamp: null }).set(["a"], 1).sum(["n"], 5n).commit()
say(first.ok, "first")
same((await kv.atomic().check({ key: ["a"], versionstamp: null }).set(["b"], 1).commit()).ok, false, "check")
same((await kv.get(["b"])).value, null, "nothing of it")
const second = await kv.atomic().check({ key: ["a"], versionstamp: first.versionstamp }).sum(["n"], 2n ** 64n - 1n).max(["m"], 7n).min(["m"], 3n).delete(["a"]).commit()
say(second.ok && second.versionstamp > first.versionstamp && second.versionstamp.length === 20, "second")
same((await kv.get(["n"])).value, new Deno.KvU64(4n), "sum")
same((await kv.getMany([["m"], ["a"], ["n"]])).map((entry) => entry.value), [new Deno.KvU64(3n), null, new Deno.KvU64(4n)], "many")

// Its errors.
const fails = async (what: () => Promise<unknown>, words: string) => {
  const error = await what().then(() => "no error", (error) => error.message)
  say(error.includes(words), `${words}: ${error}`)
}
await kv.set(["text"], "text")
await fails(() => kv.atomic().sum(["text"], 1n).commit(), "non-U64 value in the database")
await fails(() => kv.set(["big"], new Uint8Array(70000)), "too large")
await fails(() => kv.set(["x".repeat(3000)], 1), "too large")
await fails(() => kv.getMany(Array.from({ length: 11 }, (_, n) => [n])), "Too many")

// Time.
await kv.set(["short"], 1, { expireIn: 300 })
same((await kv.get(["short"])).value, 1, "not yet")
const watch = kv.watch([["short"], ["w"]]).getReader()
same((await watch.read()).value!.map((entry) => entry.value), [1, null], "watch")
same((await watch.read()).value!.map((entry) => entry.value), [null, null], "expired, and told")
const told = watch.read()
await kv.set(["w"], { now: true })
same((await told).value!.map((entry) => entry.value), [null, { now: true }], "pushed")
await watch.cancel()

// A read of either consistency.
same((await kv.get(["w"], { consistency: "eventual" })).value, { now: true }, "eventual")
kv.close()
console.log("done")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn deno_uses_it_as_its_own() {
    let gateway = gateway(json!({ "accessTokens": [TOKEN] })).await;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let Some(script) = deno(EVERYTHING, &[&url], &[("DENO_KV_ACCESS_TOKEN", TOKEN)]).await else { return };
    assert_eq!(script.out(), "done\n");
}

/// Deno speaks HTTP/2, sends what is longer than a kilobyte in pieces, and waits until each is acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_pieces_is_not_kept_waiting() {
    let gateway = gateway(json!({})).await;
    let script = r#"
const kv = await Deno.openKv(Deno.args[0])
const took = []
for (let n = 0; n < 40; n++) {
  const atomic = kv.atomic()
  for (let key = 0; key < 20; key++) atomic.set(["pieces", key], { n, text: "x".repeat(80) })
  const begun = performance.now()
  await atomic.commit()
  took.push(performance.now() - begun)
}
// The quicker half, for the machine may have other work: a single delayed acknowledgement is 40 ms.
console.log(took.sort((a, b) => a - b)[20])
"#;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let Some(script) = deno(script, &[&url], &[("DENO_KV_ACCESS_TOKEN", "any")]).await else { return };
    let millis: f64 = script.out().trim().parse().unwrap();
    assert!(millis < 35.0, "{millis} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_any_token_will_do_if_none_is_configured() {
    let gateway = gateway(json!({})).await;
    let script = r#"const kv = await Deno.openKv(Deno.args[0]); await kv.set(["a"], 1n); console.log((await kv.get(["a"])).value)"#;
    let url = format!("http://{}/p/keyval/ns/shop", gateway.addr());
    let Some(script) = deno(script, &[&url], &[("DENO_KV_ACCESS_TOKEN", "whatever")]).await else { return };
    assert_eq!(script.out(), "1n\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_with_words() {
    let gateway = gateway(json!({ "accessTokens": [TOKEN] })).await;
    let script = r#"const kv = await Deno.openKv(Deno.args[0]); await kv.get(["a"])"#;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let Some(script) = deno(script, &[&url], &[("DENO_KV_ACCESS_TOKEN", "another-long-random-text")]).await else {
        return;
    };
    assert!(!script.success && script.err.contains("not one of the access tokens"), "{}", script.err);
}

/// npm's `@deno/kv` in Node, and what it wrote is there after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn npms_client_and_deno_see_each_others_writes_across_a_restart() {
    let gateway = gateway(json!({ "accessTokens": [TOKEN] })).await;
    let script = r#"
const [root, url, accessToken] = process.argv.slice(1)
const { openKv } = await import(`${root}/@deno/kv/esm/npm.js`).catch(() => import(`${root}/@deno/kv/script/npm.js`))
const kv = await openKv(url, { accessToken })
const set = await kv.atomic().set(["from", "node"], { big: 2n ** 65n, list: [1] }).enqueue("hello").commit()
const { value } = await kv.get(["from", "node"])
console.log(set.ok, value.big === 2n ** 65n, value.list[0])
kv.close()
process.exit(0)
"#;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let Some(node) = node(script, "@deno/kv", &[&url, TOKEN]).await else { return };
    assert_eq!(node.out(), "true true 1\n");
    let dir = gateway.stop().await;
    let config = json!({ "plugins": [["@buntime/plugin-keyval", { "accessTokens": [TOKEN] }]] });
    let gateway = Gateway::start_in(dir, config, |_| {}).await;
    let url = format!("http://{}/p/keyval", gateway.addr());
    let script = r#"const kv = await Deno.openKv(Deno.args[0]); console.log((await kv.get(["from", "node"])).value)"#;
    let Some(deno) = deno(script, &[&url], &[("DENO_KV_ACCESS_TOKEN", TOKEN)]).await else { return };
    assert_eq!(deno.out(), "{ big: 36893488147419103232n, list: [ 1 ] }\n");

    // The message is in the queue, for who takes it out.
    let dir = gateway.stop().await;
    let database = Arc::new(Sqlite::open(File::in_dir(dir.path().join("data"))).await.unwrap());
    let store = Engine::open(database, Options::default()).await.unwrap();
    let queue = store.namespace("default", Limits::DENO).await.unwrap();
    let got = queue.lease("default", 10, Duration::from_secs(30)).await.unwrap();
    assert_eq!(got.iter().map(|message| message.payload.to_data()).collect::<Vec<_>>(), [b"\xff\x0f\"\x05hello"]);
}
