//! One tab: going somewhere, looking, clicking, typing.

use std::{fs, path::Path, sync::Arc};

use buntime_testing::eventually;
use serde_json::{Value, json};

use super::connection::Connection;

/// See the module.
#[derive(Debug)]
pub struct Tab {
    connection: Arc<Connection>,
    session: String,
}

impl Tab {
    pub(super) async fn new(connection: Arc<Connection>, session: String) -> Self {
        let tab = Self { connection, session };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable", "Audits.enable"] {
            tab.tell(domain, json!({})).await;
        }
        tab.size(1280, 900).await;
        tab
    }

    async fn tell(&self, method: &str, params: Value) -> Value {
        self.connection.ask(Some(&self.session), method, params).await
    }

    /// The size of what is seen, in CSS pixels.
    pub async fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.tell("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// What the system prefers: `light` or `dark`.
    pub async fn prefers(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    /// Goes to a page and waits until it is there.
    pub async fn go(&self, url: &str) {
        let gone = self.tell("Page.navigate", json!({ "url": url })).await;
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.until("the page is there", "document.readyState === 'complete'").await;
    }

    /// What an expression (or a promise) comes to.
    ///
    /// # Panics
    /// If it throws.
    pub async fn value(&self, expression: &str) -> Value {
        match self.try_value(expression).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    async fn try_value(&self, expression: &str) -> Result<Value, Value> {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut answer = self.connection.try_ask(Some(&self.session), "Runtime.evaluate", params).await?;
        if answer["exceptionDetails"].is_null() {
            Ok(answer["result"]["value"].take())
        } else {
            Err(answer["exceptionDetails"].take())
        }
    }

    /// Waits until an expression is true; while a page is being left it is not.
    ///
    /// # Panics
    /// When patience runs out, with what the page shows.
    pub async fn until(&self, what: &str, expression: &str) {
        let seen = tokio::time::timeout(
            std::time::Duration::from_secs(9),
            eventually(what, || async { self.try_value(expression).await.is_ok_and(|value| value == true) }),
        );
        if seen.await.is_err() {
            let shown = self.try_value("location.href + '\\n' + document.body.innerText").await;
            panic!("not seen: {what}; the page shows {}", shown.unwrap_or_default().as_str().unwrap_or_default());
        }
    }

    /// Waits until an element shows a text.
    pub async fn shows(&self, selector: &str, text: &str) {
        let expression = format!("document.querySelector({})?.innerText.includes({})", json!(selector), json!(text));
        self.until(&format!("`{text}` in {selector}"), &expression).await;
    }

    /// Clicks in the middle of an element, as a mouse does.
    pub async fn click(&self, selector: &str) {
        let seen = format!("document.querySelector({})?.getClientRects().length > 0", json!(selector));
        self.until(&format!("{selector} can be seen"), &seen).await;
        let place = format!(
            "(() => {{ const e = document.querySelector({}); e.scrollIntoView({{ block: 'center', inline: 'center' }}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()",
            json!(selector)
        );
        let place = self.value(&place).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.tell("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Clicks the button in an element that says so.
    pub async fn press(&self, within: &str, says: &str) {
        let mark = format!(
            "(() => {{ const found = [...document.querySelectorAll({} + ' button')].find((b) => b.innerText.trim().startsWith({})); \
             document.querySelectorAll('[data-pressed]').forEach((b) => b.removeAttribute('data-pressed')); \
             found?.setAttribute('data-pressed', ''); return found !== undefined }})()",
            json!(within),
            json!(says)
        );
        self.until(&format!("a button `{says}` in {within}"), &mark).await;
        self.click("[data-pressed]").await;
    }

    /// Puts a text into a field, in the place of what is there.
    pub async fn write(&self, selector: &str, text: &str) {
        let focus = format!(
            "(() => {{ const e = document.querySelector({}); e.focus(); e.select?.(); return true }})()",
            json!(selector)
        );
        self.until(&format!("there is {selector}"), &focus).await;
        if text.is_empty() {
            self.key("Delete").await;
        } else {
            self.tell("Input.insertText", json!({ "text": text })).await;
        }
    }

    /// Presses a key such as `Tab` or `Enter`.
    pub async fn key(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Delete" => (46, ""),
            _ => (0, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                "text": if kind == "keyDown" { text } else { "" } });
            self.tell("Input.dispatchKeyEvent", event).await;
        }
    }

    /// Runs a script in every page before its own; [`forget`](Self::forget) ends that.
    pub async fn before_each_page(&self, script: &str) -> Value {
        let params = json!({ "source": script });
        self.tell("Page.addScriptToEvaluateOnNewDocument", params).await["identifier"].take()
    }

    /// Takes back a script of [`before_each_page`](Self::before_each_page).
    pub async fn forget(&self, script: Value) {
        self.tell("Page.removeScriptToEvaluateOnNewDocument", json!({ "identifier": script })).await;
    }

    /// Takes the network away, or gives it back.
    pub async fn offline(&self, offline: bool) {
        self.tell("Network.enable", json!({})).await;
        let params = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.tell("Network.emulateNetworkConditions", params).await;
    }

    /// Writes what is seen, the whole page long, as a PNG.
    pub async fn screenshot(&self, file: &Path) {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.tell("Page.captureScreenshot", params).await;
        let data = shot["data"].as_str().expect("a picture");
        fs::write(file, unbase64(data)).expect("a written file");
    }

    /// What the console said was wrong since it was asked last.
    pub fn errors(&self) -> Vec<String> {
        self.connection.errors(&self.session)
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(value).collect();
    let bytes = digits.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
