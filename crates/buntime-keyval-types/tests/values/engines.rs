//! What Node and Deno write is read, and what is written here is to them what they would have written.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use buntime_keyval_types::structured::{Failure, FailureName, Structured, Text, View, ViewKind, regexp_bits};

use crate::trees::cyclic;

/// An expression of JavaScript, and its value.
type Case = (String, Structured);

fn case(script: &str, value: Structured) -> Case {
    (script.to_owned(), value)
}

fn list(all: impl IntoIterator<Item = Structured>) -> Structured {
    Structured::Array(all.into_iter().map(Some).collect(), Vec::new())
}

fn object<const N: usize>(all: [(&str, Structured); N]) -> Structured {
    Structured::Object(all.into_iter().map(|(name, value)| (Text::from(name), value)).collect())
}

fn string(text: &str) -> Structured {
    Structured::String(text.into())
}

fn big(digits: &str) -> Structured {
    Structured::BigInt(digits.parse().expect("digits"))
}

fn boxed(inner: Structured) -> Structured {
    Structured::Boxed(Box::new(inner))
}

fn primitives() -> Vec<Case> {
    use Structured::{Bool, Double, Int, Null, Undefined};
    vec![
        case("undefined", Undefined),
        case("null", Null),
        case("[true, false]", list([Bool(true), Bool(false)])),
        case("[0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]", list([0, 1, -1, i32::MAX, i32::MIN].map(Int))),
        case(
            "[2 ** 31, -0, 0.5, 1e300, Infinity]",
            list([2_147_483_648.0, -0.0, 0.5, 1e300, f64::INFINITY].map(Double)),
        ),
        case(
            "[0n, -1n, 1n << 64n, -(10n ** 40n)]",
            list([big("0"), big("-1"), big("18446744073709551616"), big(&format!("-1{}", "0".repeat(40)))]),
        ),
        case("['', 'a', 'é', '😀', 'a€']", list(["", "a", "é", "😀", "a€"].map(string))),
        case("'\\ud800x'", Structured::String(Text::Utf16(vec![0xd800, b'x'.into()]))),
        case(
            "[new Number(1), new Number(0.5), new Boolean(false), new Boolean(true), Object(5n), new String('é€')]",
            list([Int(1), Double(0.5), Bool(false), Bool(true), big("5"), string("é€")].map(boxed)),
        ),
        case("new Date(5)", Structured::Date(5.0)),
        case("new Date(-8.64e15)", Structured::Date(-8.64e15)),
    ]
}

fn objects() -> Vec<Case> {
    use Structured::{Array, Int, Map, Object, Set, Sparse};
    vec![
        case("({})", Object(Vec::new())),
        case(
            "({ b: 1, a: { c: [] }, 5: 2, 3000000000: 3, 4294967294: 4, 4294967295: 5, '-1': 6, '01': 7, '😀': 8 })",
            object([
                ("5", Int(2)),
                ("3000000000", Int(3)),
                ("4294967294", Int(4)),
                ("b", Int(1)),
                ("a", object([("c", list([]))])),
                ("4294967295", Int(5)),
                ("-1", Int(6)),
                ("01", Int(7)),
                ("😀", Int(8)),
            ]),
        ),
        // Once it had a hole, an array is written as a sparse one.
        case("new Array(2).fill(1)", list([Int(1), Int(1)])),
        case("[, , 3]", Sparse(3, vec![("2".into(), Int(3))])),
        case("[1, , 3]", Array(vec![Some(Int(1)), None, Some(Int(3))], Vec::new())),
        case("Object.assign(['x'], { y: 1 })", Array(vec![Some(string("x"))], vec![("y".into(), Int(1))])),
        case(
            "Object.assign([0], { 100000: 1 })",
            Sparse(100_001, vec![("0".into(), Int(0)), ("100000".into(), Int(1))]),
        ),
        case("new Map([[1, 'a'], ['€', new Map()]])", Map(vec![(Int(1), string("a")), (string("€"), Map(Vec::new()))])),
        case("new Set([1, 'a', new Set()])", Set(vec![Int(1), string("a"), Set(Vec::new())])),
        case("new Uint8Array([1, 2]).buffer", Structured::Buffer(vec![1, 2], None)),
        case("new ArrayBuffer(2, { maxByteLength: 8 })", Structured::Buffer(vec![0, 0], Some(8))),
    ]
}

fn regexps() -> Vec<Case> {
    ["", "g", "i", "m", "y", "u", "s", "d", "v", "dgimsuy"]
        .map(|flags| {
            let bits = regexp_bits(flags).expect("flags");
            case(&format!("new RegExp('a€', '{flags}')"), Structured::RegExp("a€".into(), bits))
        })
        .into()
}

fn errors() -> Vec<Case> {
    let error = |script: &str, name, message: Option<&str>, cause| {
        let script = format!("(() => {{ const e = {script}; e.stack = 'stack'; return e; }})()");
        let failure = Failure { name, message: message.map(Text::from), cause, stack: Some("stack".into()) };
        (script, Structured::Error(Box::new(failure)))
    };
    let mut all: Vec<Case> = FailureName::ALL
        .iter()
        .map(|name| error(&format!("new {}('why')", name.name()), *name, Some("why"), None))
        .collect();
    all.push(error("new Error()", FailureName::Error, None, None));
    let cause = || object([("a", Structured::Int(1))]);
    all.push(error("new TypeError('why', { cause: { a: 1 } })", FailureName::Type, Some("why"), Some(cause())));
    all
}

fn view(kind: ViewKind, offset: u32, length: u32, flags: u32, buffer: Structured) -> Structured {
    Structured::View(Box::new(View { kind, offset, length, flags, buffer }))
}

/// Of these Node writes the bytes that they show: each is an object of the host, which has no buffer of its own.
fn nodes_views() -> Vec<Case> {
    let bytes = |bytes: std::ops::Range<u8>| Structured::Buffer(bytes.collect(), None);
    let buffer = "Uint8Array.from({ length: 16 }, (_, at) => at).buffer";
    // Node has had these for longer than the newest kind.
    let kinds = ViewKind::ALL.iter().filter(|kind| **kind != ViewKind::Float16);
    let mut all: Vec<Case> = kinds
        .map(|kind| {
            let count = if kind.name() == "DataView" { 8 } else { 8 / kind.size() };
            (format!("new {}({buffer}, 8, {count})", kind.name()), view(*kind, 0, 8, 0, bytes(8..16)))
        })
        .collect();
    // What is numbered behind them is found all the same.
    let list = list([
        view(ViewKind::Uint8, 0, 2, 0, bytes(1..3)),
        Structured::Object(Vec::new()),
        Structured::Reference(3),
        Structured::Reference(2),
    ]);
    all.push(case("(() => { const v = new Uint8Array([1, 2]), o = {}; return [v, o, o, v]; })()", list));
    all
}

/// Node writes these as objects of its own.
fn views() -> Vec<Case> {
    let bytes = || Structured::Buffer((0..16).collect(), None);
    let buffer = "Uint8Array.from({ length: 16 }, (_, at) => at).buffer";
    let mut all: Vec<Case> = ViewKind::ALL
        .iter()
        .map(|kind| {
            let count = if kind.name() == "DataView" { 8 } else { 8 / kind.size() };
            let script = format!("new {}({buffer}, 8, {count})", kind.name());
            (script, view(*kind, 8, 8, 0, bytes()))
        })
        .collect();
    let growing = "const b = new ArrayBuffer(2, { maxByteLength: 8 }); return";
    let growing_buffer = || Structured::Buffer(vec![0, 0], Some(8));
    all.push((
        format!("(() => {{ {growing} [new Uint8Array(b), new Uint8Array(b, 1, 1)]; }})()"),
        list([
            view(ViewKind::Uint8, 0, 0, 3, growing_buffer()),
            view(ViewKind::Uint8, 1, 1, 2, Structured::Reference(1)),
        ]),
    ));
    let script = "(() => { const o = {}; o.self = o; o.map = new Map([[o, new Set([o])]]); \
        o.buffer = new Uint8Array([1, 2, 3, 4]).buffer; o.view = new Uint16Array(o.buffer, 2, 1); \
        o.list = [o, , o.view]; o.error = new TypeError('', { cause: o }); delete o.error.message; delete o.error.stack; \
        return o; })()";
    all.push(case(script, cyclic()));
    all
}

fn plain() -> Vec<Case> {
    [primitives(), objects(), regexps(), errors()].concat()
}

/// For each case a line: what the engine writes, whether it would write the same of what it reads of that and of ours
/// (what it read it may write otherwise), and whether it finds ours equal.
const SCRIPT: &str = r#"
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
for (const [make, ours] of cases) {
  try {
    const value = make();
    const theirs = serialize(value);
    const read = deserialize(Buffer.from(ours, "base64"));
    const again = base64(serialize(deserialize(theirs)));
    console.log(base64(theirs), again === base64(serialize(read)), isDeepStrictEqual(value, read));
  } catch (error) {
    console.log(`${make}: ${error}`.replaceAll("\n", " "));
  }
}
"#;

fn agree(program: &str, args: &[&str], begin: &str, cases: &[Case]) {
    let Some(child) = start(program, args) else { return };
    let mut script = format!("{begin}\nconst cases = [\n");
    for (make, value) in cases {
        script += &format!("[() => {make}, \"{}\"],\n", BASE64_STANDARD.encode(value.encode()));
    }
    script += "];";
    script += SCRIPT;
    let printed = run(child, &script);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), cases.len(), "{printed}");
    for ((make, value), line) in cases.iter().zip(lines) {
        let Some((theirs, read)) = line.split_once(' ') else { panic!("{program}: {line}") };
        let theirs = BASE64_STANDARD.decode(theirs).unwrap_or_else(|_| panic!("{program}: {line}"));
        assert_eq!(Structured::decode(&theirs).as_ref(), Ok(value), "{program} writes {make}");
        assert_eq!(read, "true true", "{program} reads {make}");
    }
}

/// What it prints.
fn run(mut child: Child, script: &str) -> String {
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("a script is taken");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn start(program: &str, args: &[&str]) -> Option<Child> {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("DENO_NO_UPDATE_CHECK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            let why = format!("needs {program}; cargo xtask setup installs it");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}: {error}");
            // Whoever runs the tests is told, if anybody reads it.
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
            None
        }
    }
}

#[test]
fn as_node_has_them() {
    let begin = "const { serialize, deserialize } = require('node:v8');\n\
        const { isDeepStrictEqual } = require('node:util');";
    agree("node", &["-"], begin, &[plain(), nodes_views()].concat());
}

const DENO: [&str; 4] = ["run", "--quiet", "--no-check", "-"];
const DENO_BEGIN: &str = "import { isDeepStrictEqual } from 'node:util';\nimport { Buffer } from 'node:buffer';\n\
    const { core } = Deno[Deno.internal];\n\
    const serialize = (value) => core.serialize(value, { forStorage: true });\n\
    const deserialize = (bytes) => core.deserialize(new Uint8Array(bytes), { forStorage: true });\n";

#[test]
fn as_deno_has_them() {
    agree("deno", &DENO, DENO_BEGIN, &[plain(), views()].concat());
}

/// The first column of the table of `VALUES.md` is what its second says.
#[cfg(feature = "json")]
#[test]
fn the_page_is_right() {
    use buntime_keyval_types::{Value, json::value_to_json};
    let page = include_str!("../../VALUES.md").lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    // KvU64 is not V8's; keys are in the next table.
    let rows =
        page.filter(|(script, rest)| !script.contains("Deno.") && rest.contains("__type\":") && !rest.contains("`["));
    let rows: Vec<(&str, &str)> =
        rows.filter_map(|(script, rest)| Some((script, rest.rsplit_once("| `")?.1.strip_suffix("` |")?))).collect();
    assert_eq!(rows.len(), 14);
    let Some(child) = start("deno", &DENO) else { return };
    let mut script = format!("{DENO_BEGIN}let v;\n");
    for (make, _) in &rows {
        // An error's stack is where it was made.
        script += &format!("v = [{make}]; if (v[0]?.stack) delete v[0].stack;");
        script += "console.log(Buffer.from(serialize(v)).toString('base64'));\n";
    }
    for ((make, json), line) in rows.iter().zip(run(child, &script).lines()) {
        let value = Value::V8(BASE64_STANDARD.decode(line).expect("base64").into());
        let documented: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(value_to_json(&value), Ok(serde_json::json!([documented])), "{make}");
    }
}
