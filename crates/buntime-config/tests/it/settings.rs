//! What is said about plugins, services, groups and consumers.

use crate::support::messages;

#[test]
fn settings_against_their_schema() {
    insta::assert_snapshot!(
        messages(
            r#"{ "plugins": [["gateway", {
  "rateLimit": { "requests": "x", "window": "1q" },
  "cors": { "orign": [], "credentials": 1 },
  "providers": [{ "type": "jtw" }, {}, { "type": "jwt", "secert": "a" }, { "type": "api_key", "keys": "a" }],
  "algorithm": "tokenbucket",
  "failureMod": "abort",
  "failureMode": "abrot",
  "exclude": ["a", 1] }]] }"#
        ),
        @r#"
    2:30 /plugins/0/1/rateLimit/requests expected a whole number, found a string
    2:45 /plugins/0/1/rateLimit/window `1q` is not a duration; write 500ms, 30s, 5m, 1h, 1d, or a number of seconds
    3:13 /plugins/0/1/cors/orign unknown key `orign` (did you mean `origin`?)
    3:41 /plugins/0/1/cors/credentials expected true or false, found a number
    4:27 /plugins/0/1/providers/0/type `jtw` is not allowed here (did you mean `jwt`?)
    4:36 /plugins/0/1/providers/1 the key `type` is missing (`type` is one of `jwt`, `api_key`)
    4:57 /plugins/0/1/providers/2/secert unknown key `secert` (did you mean `secret`?)
    4:103 /plugins/0/1/providers/3/keys expected an array, found a string (put it in `[ ]`)
    5:16 /plugins/0/1/algorithm `tokenbucket` is not allowed here (did you mean `token_bucket`?)
    6:3 /plugins/0/1/failureMod unknown key `failureMod` (did you mean `failureMode`?)
    7:18 /plugins/0/1/failureMode `abrot` is not allowed here (did you mean `abort`?)
    8:20 /plugins/0/1/exclude/1 expected a string, found the number 1 (write it in double quotes)
    "#
    );
}

#[test]
fn one_or_many() {
    insta::assert_snapshot!(
        messages(r#"{ "plugins": [["gateway", { "rateLimit": [{ "requests": 1, "window": "1s" }, { "requests": -1 }] }]] }"#),
        @r#"
    1:78 /plugins/0/1/rateLimit/1 the key `window` is missing
    1:92 /plugins/0/1/rateLimit/1/requests -1 is too small; the least is 0
    "#
    );
    insta::assert_snapshot!(messages(r#"{ "plugins": [["gateway", { "rateLimit": 5 }]] }"#), @r#"
    1:42 /plugins/0/1/rateLimit expected an object or an array, found the number 5
    "#);
}

#[test]
fn what_the_plugin_itself_says() {
    insta::assert_snapshot!(
        messages("{ \"plugins\": [{ \"name\": \"gateway\", \"config\": {\n  \"exclude\": [\"ok\", \"bad\"] } }] }"),
        @r#"
    2:21 /plugins/0/config/exclude/1 "bad" is no good (write something else)
    "#
    );
}

#[test]
fn common_keys() {
    insta::assert_snapshot!(
        messages(
            r#"{ "plugins": [
  { "name": "gateway", "rateLimit": {}, "prority": 3, "onError": { "retry": { "attempts": 11 } } },
  { "name": "metrics", "base": "a/b", "hookTimeout": "soon", "dependsOn": ["helth"] },
  ["health", { "base": "logs", "onError": { "fallback": {} } }],
  ["logs", { "priority": "urgent", "publicRoutes": 1 }] ] }"#
        ),
        @r#"
    2:24 /plugins/0/rateLimit `rateLimit` is a setting of the plugin and stands in the wrong place (put it into `config`: { "name": …, "config": { "rateLimit": … } })
    2:41 /plugins/0/prority unknown key `prority` (did you mean `priority`?)
    2:91 /plugins/0/onError/retry/attempts 11 is not from 1 to 10
    3:32 /plugins/1/base `a/b`: a base is one segment below `/p/` (`mydb`, `/mydb` and `/p/mydb` are all `/p/mydb`)
    3:54 /plugins/1/hookTimeout `soon` is not a duration; write 500ms, 30s, 5m, 1h, 1d, or a number of seconds
    3:76 /plugins/1 unknown plugin `helth` (did you mean `health`?)
    4:43 /plugins/2/1/onError onError.fallback needs a `plugin` or a `response`
    5:4 /plugins/3 the plugins `health` and `logs` are both at `/p/logs` (give one of them another `base`)
    5:26 /plugins/3/1/priority `urgent` is not allowed here (allowed: `critical`, `essential`, `optional`)
    5:52 /plugins/3/1/publicRoutes expected an array or an object, found the number 1
    "#
    );
}

#[test]
fn names_of_plugins() {
    insta::assert_snapshot!(
        messages(
            r#"{ "required": ["metrics", "authz", "logs", "heath"],
  "plugins": ["metrics", "@buntime/plugin-metrics", "@buntime/plugin-gatway", "zzzzzz", { "name": "logs", "enabled": false }, "health",
    ["proxy", { "base": "auth" }], "authn", "@acme/audit"] }"#
        ),
        @r#"
    1:27 /required/1 `authz` is required, but not listed in `plugins` (list it in `plugins`, or remove it here)
    1:36 /required/2 `logs` is required, but its entry says `enabled: false`
    1:44 /required/3 `heath` is required, but not listed in `plugins` (did you mean `health`?)
    2:26 /plugins/1 the plugin `metrics` is listed twice (all spellings of a name are the same plugin; remove one entry)
    2:53 /plugins/2 unknown plugin `@buntime/plugin-gatway` (did you mean `@buntime/plugin-gateway`?)
    2:79 /plugins/3 unknown plugin `zzzzzz` (known plugins: `@acme/audit`, `authn`, `authz`, `content-filter`, `database`, `durable`, `enricher`, `gateway`, `health`, `ip-restriction`, `keyval`, `llm`, `logs`, `metrics`, `proxy`, `request-validator`)
    3:36 /plugins/7 the plugins `proxy` and `authn` are both at `/p/auth` (give one of them another `base`)
    "#
    );
}

#[test]
fn services() {
    insta::assert_snapshot!(
        messages(
            r#"{ "services": [
  { "name": "a", "upstream": { "targets": [] } },
  { "name": "a", "upstream": { "algorithm": "rund_robin", "targets": [{ "url": "http://x", "weight": 0 }, { "url": "http://x/", "weight": 0 }] }, "routes": [
    { "name": "r", "paths": ["/api/x", "~(", "x", "/a/../b"], "hosts": ["*", "a:80"], "methods": ["get", "G T"], "headers": { "a b": "x", "c": "\n" } },
    { "name": "r", "plugins": ["nope", ["gateway", { "base": "x", "cors": {} }]] },
    { "name": "s", "plugins": ["metrics", "metrics"] } ] },
  { "name": "", "upstream": { "algorithm": "consistent_hash", "targets": [{ "url": "localhost:9000" }], "retries": 11, "breaker": { "failures": 0 } } },
  { "upstream": { "targets": [{ "url": "http://u:p@x" }], "queue": { "max": -1 }, "keyBy": "heder:x", "health": { "active": { "path": "x", "unhealthyAfter": 0 } } } } ] }"#
        ),
        @r#"
    2:3 /services/0 warning: this service has no routes and no plugin names it, so nothing reaches it
    2:43 /services/0/upstream/targets this array must not be empty
    3:13 /services/1/name there are two services named `a`
    3:45 /services/1/upstream/algorithm `rund_robin` is not allowed here (did you mean `round_robin`?)
    3:70 /services/1/upstream/targets every target has the weight 0, so nothing would get a request (give at least one target a weight)
    3:116 /services/1/upstream/targets/1/url this target is listed twice (give one of them a bigger weight)
    4:30 /services/1/routes/0/paths/0 `/api/x`: `/api` is the runner's own; no route may claim it or anything below it
    4:40 /services/1/routes/0/paths/1 `~(`: this is no regular expression: unclosed group
    4:46 /services/1/routes/0/paths/2 `x`: a path begins with `/`
    4:51 /services/1/routes/0/paths/3 `/a/../b`: a route's path has no empty, `.` or `..` segment
    4:73 /services/1/routes/0/hosts/0 `*`: `*` may only stand for the first label: `*.example.org`
    4:78 /services/1/routes/0/hosts/1 `a:80`: write the host without its port
    4:99 /services/1/routes/0/methods/0 `get`: methods are case-sensitive; write `GET`
    4:106 /services/1/routes/0/methods/1 `G T`: this is no request method
    4:127 /services/1/routes/0/headers/a b `a b`: this cannot be the name of a header
    4:144 /services/1/routes/0/headers/c this cannot be the value of a header
    5:15 /services/1/routes/1/name there are two routes named `r`
    5:32 /services/1/routes/1/plugins/0 unknown plugin `nope` (known plugins: `@acme/audit`, `authn`, `authz`, `content-filter`, `database`, `durable`, `enricher`, `gateway`, `health`, `ip-restriction`, `keyval`, `llm`, `logs`, `metrics`, `proxy`, `request-validator`)
    5:62 /services/1/routes/1/plugins/1/1/base a base can only be chosen in the gateway's own `plugins`
    6:15 /services/1/routes/2 this route matches the same requests as `a/r` and would never get one
    6:43 /services/1/routes/2/plugins/1 the plugin `metrics` is listed twice (all spellings of a name are the same plugin; remove one entry)
    7:3 /services/2 warning: this service has no routes and no plugin names it, so nothing reaches it
    7:13 /services/2/name this value: a name must not be empty
    7:44 /services/2/upstream/algorithm `consistent_hash` needs a `keyBy` (such as "keyBy": "header:x-user" or "ip")
    7:84 /services/2/upstream/targets/0/url `localhost:9000`: a URL begins with `http://` or `https://`
    7:116 /services/2/upstream/retries 11 is not from 0 to 10
    7:145 /services/2/upstream/breaker/failures 0 is too small; the least is 1
    8:3 /services/3 the key `name` is missing (`name`: Its name; no two services share one.)
    8:3 /services/3 warning: this service has no routes and no plugin names it, so nothing reaches it
    8:40 /services/3/upstream/targets/0/url this value: a user name or password in the URL of a target is not sent; use a header
    8:59 /services/3/upstream/queue warning: nothing ever waits: no target has a `maxConnections` (give the targets one)
    8:77 /services/3/upstream/queue/max -1 is too small; the least is 0
    8:83 /services/3/upstream/keyBy warning: only `consistent_hash` uses `keyBy`
    8:92 /services/3/upstream/keyBy `heder:x`: write `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`
    8:135 /services/3/upstream/health/active/path `x`: a path begins with `/`
    8:158 /services/3/upstream/health/active/unhealthyAfter 0 is too small; the least is 1
    "#
    );
}

#[test]
fn upstreams() {
    insta::assert_snapshot!(
        messages(
            r#"{ "services": [ { "name": "a", "routes": [{ "name": "r" }], "upstream": {
  "algorithm": "ip_hash", "targets": [{ "url": "http://x" }], "queue": {}, "retries": 0, "retry": { "statuses": [404], "budget": { "percent": -1 } },
  "timeout": "1s", "tryTimeout": 2, "slowStart": "0s", "protocol": "http3",
  "health": { "active": { "statuses": ["2xx", "300-200", "200-299"] }, "passive": { "maxEjected": 101 } },
  "sticky": { "by": "cookie:a b" }, "mirror": { "target": "http://x/", "percent": 101, "maxInFlight": 0 } } },
  { "name": "b", "routes": [{ "name": "r", "paths": ["/b"] }], "upstream": { "targets": [
    { "url": "http://x" }, { "url": "http://y", "priority": 2, "weight": 0 }, { "url": "http://z", "weight": 0 }] } } ] }"#
        ),
        @r#"
    2:63 /services/0/upstream/queue warning: nothing ever waits: no target has a `maxConnections` (give the targets one)
    2:90 /services/0/upstream/retry warning: nothing is repeated: `retries` is 0 (remove one of the two)
    2:114 /services/0/upstream/retry/statuses/0 404 is not from 500 to 599
    2:143 /services/0/upstream/retry/budget/percent -1 is not from 0 to 1000
    3:20 /services/0/upstream/tryTimeout warning: `timeout` is over before it (make it shorter than `timeout`)
    3:50 /services/0/upstream/slowStart this must be longer than 0
    3:68 /services/0/upstream/protocol `http3` is not allowed here (did you mean `http1`?)
    4:40 /services/0/upstream/health/active/statuses/0 `2xx`: write a status from 100 to 599, or two as in `200-399`
    4:47 /services/0/upstream/health/active/statuses/1 `300-200`: write a status from 100 to 599, or two as in `200-399`
    4:99 /services/0/upstream/health/passive/maxEjected 101 is not from 0 to 100
    5:3 /services/0/upstream/sticky warning: `sticky` decides; the algorithm's own key is not used (choose another `algorithm`)
    5:21 /services/0/upstream/sticky/by `cookie:a b`: write `ip`, `path`, `consumer`, `header:<name>`, `cookie:<name>` or `query:<name>`
    5:59 /services/0/upstream/mirror/target this target gets the requests already (a shadow target is none of the others)
    5:83 /services/0/upstream/mirror/percent 101 is not from 0 to 100
    5:103 /services/0/upstream/mirror/maxInFlight 0 is too small; the least is 1
    7:74 /services/1/upstream/targets/1/weight every target with the priority 2 has the weight 0, so none would get a request (give at least one of them a weight, or remove them)
    "#
    );
}

#[test]
fn groups_and_consumers() {
    insta::assert_snapshot!(
        messages(
            r#"{ "consumerGroups": [{ "name": "premium" }, { "name": "premium" }, { "name": "x", "priority": 1.5 }],
  "consumers": [
    { "name": "a", "groups": ["premum", "x", "x"], "match": [{ "apiKey": "the-same-key" }, { "apiKey": "" }] },
    { "name": "a", "match": [{ "apiKey": " the-same-key" }, { "claim": {} }, { "claim": { "a": [] } }, { "sub": "s", "apiKey": "k" }] },
    { "name": "b" } ] }"#
        ),
        @r#"
    1:55 /consumerGroups/1/name there are two groups named `premium`
    1:95 /consumerGroups/2/priority expected a whole number, found the number 1.5
    3:31 /consumers/0/groups/0 there is no consumer group `premum` (did you mean `premium`?)
    3:46 /consumers/0/groups/2 the group `x` is listed twice
    3:104 /consumers/0/match/1 `apiKey` must not be empty
    4:15 /consumers/1/name there are two consumers named `a`
    4:42 /consumers/1/match/0 the consumers `a` and `a` have the same key
    4:72 /consumers/1/match/1 `claim` must name at least one claim
    4:96 /consumers/1/match/2/claim/a expected a string, a number or a boolean, found an array
    4:118 /consumers/1/match/3/apiKey only one of the keys `apiKey`, `sub` and `claim` may stand here
    5:5 /consumers/2 warning: this consumer has no `match`, so it is never recognised
    "#
    );
}
