//! What a person reads when a file is wrong.

use crate::support::{bad, good, load_with, messages};

#[test]
fn everything_at_once_with_a_caret() {
    insta::assert_snapshot!(bad("{\n  \"server\": {\n    \"prot\": 8000,\n\t\"port\": \"80\"\n  },\n  \"log\": { \"level\": \"inof\" },\n  \"plugins\": [\"@buntime/plugin-metrcs\", [\"gateway\", { \"rateLimt\": {} }]],\n}"), @r#"
    error: unknown key `prot`
     --> buntime.jsonc:3:5
      |
    3 |     "prot": 8000,
      |     ^^^^^^
      = help: did you mean `port`? It is there already

    error: expected a whole number, found a string
     --> buntime.jsonc:4:10
      |
    4 |     "port": "80"
      |             ^^^^
      = help: write the number without quotes

    error: `inof` is not allowed here
     --> buntime.jsonc:6:21
      |
    6 |   "log": { "level": "inof" },
      |                     ^^^^^^
      = help: did you mean `info`?

    error: unknown plugin `@buntime/plugin-metrcs`
     --> buntime.jsonc:7:15
      |
    7 |   "plugins": ["@buntime/plugin-metrcs", ["gateway", { "rateLimt": {} }]],
      |               ^^^^^^^^^^^^^^^^^^^^^^^^
      = help: did you mean `@buntime/plugin-metrics`?

    error: unknown key `rateLimt`
     --> buntime.jsonc:7:55
      |
    7 |   "plugins": ["@buntime/plugin-metrcs", ["gateway", { "rateLimt": {} }]],
      |                                                       ^^^^^^^^^^
      = help: did you mean `rateLimit`?

    5 errors
    "#);
}

#[test]
fn syntax() {
    insta::assert_snapshot!(bad("{\n  \"server\": { \"port\": 80 \"host\": 'x' },\n  \"admin\": { token: \"a\" },\n  \"log\": { \"level\": info, },\n  \"dataDir\": \"./d,\n  \"plugins\": [1.2.3, , \"metrics\"],\n  \"required\": [0x10, +1]\n}"), @r#"
    error: expected a comma here
     --> buntime.jsonc:2:25
      |
    2 |   "server": { "port": 80 "host": 'x' },
      |                         ^

    error: strings are written in double quotes
     --> buntime.jsonc:2:34
      |
    2 |   "server": { "port": 80 "host": 'x' },
      |                                  ^^^
      = help: replace `'` by `"`

    error: a key is written in double quotes
     --> buntime.jsonc:3:14
      |
    3 |   "admin": { token: "***" },
      |              ^^^^^

    error: `info` is not JSON
     --> buntime.jsonc:4:21
      |
    4 |   "log": { "level": info, },
      |                     ^^^^
      = help: strings are written in double quotes

    error: `"./d` is a string that its line does not close
     --> buntime.jsonc:5:14
      |
    5 |   "dataDir": "./d,
      |              ^^^^
      = help: add the missing quote

    error: `1.2.3` is not a JSON number
     --> buntime.jsonc:6:15
      |
    6 |   "plugins": [1.2.3, , "metrics"],
      |               ^^^^^
      = help: write it as 42 or 0.5, and what has a unit in double quotes

    error: there is nothing before this comma
     --> buntime.jsonc:6:22
      |
    6 |   "plugins": [1.2.3, , "metrics"],
      |                      ^
      = help: remove it

    error: `0x10` is not a JSON number
     --> buntime.jsonc:7:16
      |
    7 |   "required": [0x10, +1]
      |                ^^^^
      = help: write it in decimal, such as 42 or 0.5

    error: `+1` is not a JSON number
     --> buntime.jsonc:7:22
      |
    7 |   "required": [0x10, +1]
      |                      ^^
      = help: write it in decimal, such as 42 or 0.5

    9 errors
    "#);
}

#[test]
fn brackets() {
    insta::assert_snapshot!(messages("{\n  \"server\": {\n    \"port\": 80\n"), @r#"
    2:13  this object is never closed (add the missing `}`)
    "#);
    insta::assert_snapshot!(messages("{ \"plugins\": [\"metrics\" }"), @r#"
    1:25  `}` cannot close the array that begins on line 1 (write `]`)
    "#);
    insta::assert_snapshot!(messages("{} {}"), @r#"
    1:4  there is something behind the end of the configuration (a file holds one object)
    "#);
    insta::assert_snapshot!(messages("}"), @r#"
    1:1  expected an object (a configuration begins with `{`)
    "#);
    insta::assert_snapshot!(messages("[]"), @r#"
    1:1  expected an object, found an array
    "#);
    insta::assert_snapshot!(messages("{ \"a\" : /* never"), @r#"
    1:9  `/* never` is a comment that is never closed (close it with `*/`)
    "#);
}

#[test]
fn empty_files() {
    insta::assert_snapshot!(bad(""), @r#"
    error: the file is empty
      --> buntime.jsonc
       = help: write at least `{}`; `runner init` writes a commented starter file

    1 error
    "#);
    insta::assert_snapshot!(messages("// only\n/* comments */\n"), @r#"
    buntime.jsonc  the file holds only comments (write at least `{}`; `runner init` writes a commented starter file)
    "#);
    insta::assert_snapshot!(messages("\u{feff}\n"), @r#"
    buntime.jsonc  the file is empty (write at least `{}`; `runner init` writes a commented starter file)
    "#);
    good("\u{feff}{}");
}

#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(messages("{\n  \"dataDir\": \"a\",\n  \"dataDir\": \"b\"\n}"), @r#"
    3:3  the key `dataDir` is written twice (the first is on line 2; remove one of them)
    "#);
}

#[test]
fn types() {
    insta::assert_snapshot!(
        messages(
            r#"{
  "server": [],
  "admin": { "token": 7 },
  "dataDir": null,
  "log": { "access": "true", "format": 1 },
  "required": "metrics",
  "plugins": [1, [], ["metrics", 2], ["metrics", {}, 3], { "enabled": true }, { "name": 4 }, ""],
  "consumers": [{ "name": "x", "match": [{ "apiKey": true }, {}, { "sbu": "x" }, "apiKey"] }]
}"#
        ),
        @r#"
    2:13 /server expected an object, found an array
    3:23 /admin/token expected a string, found a number (write it in double quotes)
    4:14 /dataDir expected a string, found null
    5:22 /log/access expected true or false, found a string (write it without quotes)
    5:40 /log/format expected a string, found the number 1 (write it in double quotes)
    6:15 /required expected an array, found a string (put it in `[ ]`)
    7:15 /plugins/0 expected a plugin, found a number (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:18 /plugins/1 a plugin needs a name (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:34 /plugins/2 expected an object with settings, found a number (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:39 /plugins/3 the plugin `metrics` is listed twice (all spellings of a name are the same plugin; remove one entry)
    7:54 /plugins/3 an entry has at most two parts: a name and its settings (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:58 /plugins/4 the key `name` is missing (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:89 /plugins/5 expected the name of a plugin (a string), found a number (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    7:94 /plugins/6 a plugin needs a name (an entry is "name", ["name", { settings }] or { "name": …, "config": { settings } })
    8:54 /consumers/0/match/0/apiKey expected a string, found true (write it in double quotes)
    8:62 /consumers/0/match/1 one of the keys `apiKey`, `sub` and `claim` is missing
    8:68 /consumers/0/match/2/sbu unknown key `sbu` (did you mean `sub`?)
    8:82 /consumers/0/match/3 expected an object, found a string
    "#
    );
}

#[test]
fn numbers_durations_and_sizes() {
    insta::assert_snapshot!(
        messages(
            r#"{ "server": { "port": 70000, "maxConnections": 0, "maxBodySize": "10xb", "headerTimeout": "1w",
    "requestTimeout": "0s", "idleTimeout": 0, "shutdownGrace": true } }"#
        ),
        @r#"
    1:23 /server/port 70000 is not from 0 to 65535
    1:48 /server/maxConnections 0 is too small; the least is 1
    1:66 /server/maxBodySize `10xb` is not a size; write 10mb, 64kb, or a number of bytes
    1:91 /server/headerTimeout `1w` is not a duration; write 500ms, 30s, 5m, 1h, 1d, or a number of seconds
    2:23 /server/requestTimeout this must be longer than 0
    2:44 /server/idleTimeout expected more than 0, found 0
    2:64 /server/shutdownGrace expected a string or a number, found true (write `30s` or a number of seconds)
    "#
    );
    insta::assert_snapshot!(messages(r#"{ "server": { "port": 80.5 } }"#), @r#"
    1:23 /server/port expected a whole number, found the number 80.5
    "#);
    insta::assert_snapshot!(messages(r#"{ "server": { "port": 1e999 } }"#), @r#"
    1:23  `1e999` is not a JSON number (write it in decimal, such as 42 or 0.5)
    "#);
}

#[test]
fn wide_characters_tabs_and_long_lines() {
    let long = format!("{{ \"dataDir\": \"{}\", \"服务器\": 1, \"log\": {{}} }}", "x".repeat(200));
    insta::assert_snapshot!(bad(&long), @r#"
    error: unknown key `服务器`
     --> buntime.jsonc:1:218
      |
    1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "服务器": 1, "log": {} }
      |                                                              ^^^^^^^^
      = help: did you mean `log`? It is there already

    1 error
    "#);
    insta::assert_snapshot!(bad("{\n\t\t\"é\u{1b}[31m\": 1, \"日本\":\t1 }"), @r#"
    error: unknown key `é�[31m`
     --> buntime.jsonc:2:3
      |
    2 |         "é�[31m": 1, "日本":    1 }
      |         ^^^^^^^^
      = help: known keys: `$schema`, `server`, `admin`, `dataDir`, `log`, `outbound`, `required`, `plugins`, `services`, `consumerGroups`, `consumers`, `workspaces`, `poolSize`, `homepage`

    error: unknown key `日本`
     --> buntime.jsonc:2:16
      |
    2 |         "é�[31m": 1, "日本":    1 }
      |                      ^^^^^^
      = help: known keys: `$schema`, `server`, `admin`, `dataDir`, `log`, `outbound`, `required`, `plugins`, `services`, `consumerGroups`, `consumers`, `workspaces`, `poolSize`, `homepage`

    2 errors
    "#);
}

#[test]
fn limits() {
    insta::assert_snapshot!(messages(&"[".repeat(100_000)), @r#"
    1:129  objects and arrays lie in each other more than 128 deep
    "#);
    insta::assert_snapshot!(messages(&format!("{{\"a\":{}}}", "{\"a\":".repeat(100_000))), @r#"
    1:641  objects and arrays lie in each other more than 128 deep
    "#);
    insta::assert_snapshot!(messages(&format!("[{}]", "0,".repeat(300_000))), @r#"
    1:500000  the file holds more than 250000 values
    "#);
    insta::assert_snapshot!(messages(&" ".repeat((8 << 20) + 1)), @r#"
    buntime.jsonc  the text is longer than 8 MiB
    "#);
    let many = messages(&"@\n".repeat(200_000));
    assert!(many.lines().count() <= 50, "{}", many.lines().count());
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let problems = load_with("{ \"prot\": 1 }", &[], &[]).unwrap_err();
    assert!(!problems.render(false).contains('\u{1b}'));
    assert!(problems.render(true).contains("\u{1b}["));
}

#[test]
fn for_the_admin_api() {
    let problems = load_with("{\n \"dataDri\": \"x\" }", &[], &[]).unwrap_err();
    insta::assert_json_snapshot!(problems.to_json(), @r#"
    [
      {
        "severity": "error",
        "file": "buntime.jsonc",
        "line": 2,
        "column": 2,
        "message": "unknown key `dataDri`",
        "help": "did you mean `dataDir`?",
        "path": "/dataDri"
      }
    ]
    "#);
}

#[test]
fn secrets_are_not_shown() {
    let text = bad(
        "{\n \"admin\": { \"token\": \"s3cr3t-one\", \"tokn\": 1 },\n \"plugins\": [[\"gateway\", { \"apiKey\": \"s3cr3t-two\", \"algorithm\": \"${JWT_SECRET:-s3cr3t-three}\", \"x\": \"redis://u:s3cr3t-four@h\" }]] }",
    );
    assert!(!text.contains("s3cr3t"), "{text}");
    insta::assert_snapshot!(text, @r#"
    error: unknown key `tokn`
     --> buntime.jsonc:2:36
      |
    2 |  "admin": { "token": "***", "tokn": 1 },
      |                             ^^^^^^
      = help: did you mean `token`? It is there already

    error: this value is not allowed here
     --> buntime.jsonc:3:65
      |
    3 |  "plugins": [["gateway", { "apiKey": "***", "algorithm": "***", "x": "redis://***@h" }]] }
      |                                                          ^^^^^
      = help: allowed: `token_bucket`, `sliding_window`

    error: unknown key `x`
     --> buntime.jsonc:3:96
      |
    3 | …ugins": [["gateway", { "apiKey": "***", "algorithm": "***", "x": "redis://***@h" }]] }
      |                                                              ^^^
      = help: known keys: `rateLimit`, `cors`, `providers`, `algorithm`, `exclude`, `apiKey`, `base`, `enabled`, `priority`, `placement`, `order`, `hookPriorities`, `mode`, `dependsOn`, `failureMode`, `recovery`, `onError`, `hookTimeout`, `breaker`, `publicRoutes`

    3 errors
    "#);
}

#[test]
fn what_the_outbound_guard_never_allows_is_told_at_its_place() {
    let text = r#"{ "outbound": {
  "allowHosts": ["billing.internal", "localhost"],
  "allowSuffixes": ["10.0.0.1"],
  "allowCidrs": ["10.0.0.0/8", "169.254.169.254/32", "10.0.0.0/33"],
  "allowUrls": ["http://hooks.internal:9000/in", "ftp://a.internal/"],
  "onlyListd": true
} }"#;
    insta::assert_snapshot!(bad(text), @r#"
    error: `localhost`: this is a name of this machine and is never allowed; remove it
     --> buntime.jsonc:2:38
      |
    2 |   "allowHosts": ["billing.internal", "localhost"],
      |                                      ^^^^^^^^^^^

    error: `10.0.0.1`: this is an address; list it in `allowHosts` or `allowCidrs`
     --> buntime.jsonc:3:21
      |
    3 |   "allowSuffixes": ["10.0.0.1"],
      |                     ^^^^^^^^^^

    error: `169.254.169.254/32`: this is the address of a cloud metadata service and is never allowed; remove it
     --> buntime.jsonc:4:32
      |
    4 |   "allowCidrs": ["10.0.0.0/8", "169.254.169.254/32", "10.0.0.0/33"],
      |                                ^^^^^^^^^^^^^^^^^^^^

    error: `10.0.0.0/33`: this is no range in CIDR notation; write 10.0.0.0/8 or fd00::/8
     --> buntime.jsonc:4:54
      |
    4 |   "allowCidrs": ["10.0.0.0/8", "169.254.169.254/32", "10.0.0.0/33"],
      |                                                      ^^^^^^^^^^^^^

    error: `ftp://a.internal/`: this is no URL: only http and https are allowed, and this is `ftp`
     --> buntime.jsonc:5:50
      |
    5 |   "allowUrls": ["http://hooks.internal:9000/in", "ftp://a.internal/"],
      |                                                  ^^^^^^^^^^^^^^^^^^^

    error: unknown key `onlyListd`
     --> buntime.jsonc:6:3
      |
    6 |   "onlyListd": true
      |   ^^^^^^^^^^^
      = help: did you mean `onlyListed`?

    6 errors
    "#);
    let warned = good(r#"{ "outbound": { "allowCidrs": ["0.0.0.0/0"] } }"#);
    assert!(warned.warnings.to_string().contains("every private network may be called"), "{}", warned.warnings);
}
