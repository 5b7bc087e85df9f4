//! A headless Chromium, driven by the DevTools protocol over a pipe: what a visitor sees and does, and what the page asks for.
//!
//! The browser reads commands from its file 3 and writes to file 4, each JSON with a zero byte behind it. A shell puts its standard
//! input and output there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

/// How long the browser may take for an answer, or the page to show something.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser's program: what `CHROMIUM` names, or one of these names in the path.
pub(crate) fn program() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CHROMIUM") {
        return Some(given.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// See the [module](self). Dropped, it is ended.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    number: u64,
    session: Option<String>,
    /// What it told unasked.
    events: Vec<Value>,
}

impl Browser {
    /// Starts it with one empty page. Its files and its log are in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path) -> Self {
        let log = std::fs::File::create(folder.join("browser.log")).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>&2", "sh"])
            .arg(program)
            .arg(format!("--user-data-dir={}", folder.join("browser").display()))
            .args(["--headless=new", "--remote-debugging-pipe", "--no-first-run"])
            .args(["--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--disable-background-networking", "--disable-component-update"])
            // What is not on this machine is not there, so that a page that asks for it fails here.
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        if rustix::process::geteuid().is_root() {
            command.arg("--no-sandbox");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (to, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, from) = channel();
        std::thread::spawn(move || {
            let mut messages = BufReader::new(stdout);
            let mut message = Vec::new();
            while messages.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let parsed = serde_json::from_slice(&message).unwrap_or_default();
                if send.send(parsed).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            number: 0,
            session: None,
            events: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Has it do something, and waits for the answer.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        self.to.flush().unwrap();
        loop {
            let answer = self.from.recv_timeout(PATIENCE);
            let mut answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {method}"));
            if answer["id"] == self.number {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Goes to an address, and waits until the page has loaded.
    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
        self.wait_for("document.readyState === 'complete'");
    }

    /// The value of an expression of JavaScript in the page; a promise is waited for.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.eval(&format!("Boolean({expression})")) != true {
            if Instant::now() > end {
                let body = self.eval("document.body.innerText");
                panic!(
                    "it did not come to this: {expression}\n{}",
                    body.as_str().unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The text of the first element of a selector.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.eval(&format!(
            "document.querySelector({})?.textContent",
            json!(selector)
        ));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses the mouse on the first element of a selector, where it has to be seen.
    pub(crate) fn click(&mut self, selector: &str) {
        // What comes in meanwhile may move the page under the pointer.
        for _ in 0..5 {
            if self.press(selector) {
                return;
            }
        }
        panic!("{selector} moves away from every click");
    }

    /// Presses the button of the mouse over a node; whether the node noticed.
    fn press(&mut self, selector: &str) -> bool {
        let selector = json!(selector);
        let place = self.eval(&format!(
            "(() => {{
                const node = document.querySelector({selector});
                node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const {{ x, y, width, height }} = node.getBoundingClientRect();
                const at = {{ x: x + width / 2, y: y + height / 2 }};
                const there = document.elementFromPoint(at.x, at.y);
                window.pressed = false;
                node.addEventListener('click', () => {{ window.pressed = true; }}, {{ once: true, capture: true }});
                return node === there || node.contains(there) ? at : null;
            }})()"
        ));
        assert!(place.is_object(), "{selector} is covered or not seen");
        for kind in ["mousePressed", "mouseReleased"] {
            let params =
                json!({"type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params);
        }
        self.eval("window.pressed") == true
    }

    /// Replaces what the first field of a selector holds by typing.
    pub(crate) fn fill(&mut self, selector: &str, text: &str) {
        self.eval(&format!(
            "(() => {{ const node = document.querySelector({}); node.focus(); node.select(); }})()",
            json!(selector)
        ));
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses the enter key.
    pub(crate) fn enter(&mut self) {
        for kind in ["keyDown", "keyUp"] {
            let params = json!({"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"});
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// How wide the page is, and whether it is dark.
    pub(crate) fn look(&mut self, width: u32, is_dark: bool) {
        self.resize(width, 900);
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media);
    }

    fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
        // What is drawn anew for another size has to be there.
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    }

    /// A picture of the whole page, however high it is.
    pub(crate) fn picture(&mut self, file: &Path) {
        self.eval("document.activeElement?.blur()");
        let size = self.eval("({ width: innerWidth, height: document.documentElement.scrollHeight })");
        let side = |name: &str| size[name].as_u64().unwrap() as u32;
        self.resize(side("width"), side("height"));
        let picture = self.call("Page.captureScreenshot", json!({}));
        let data = picture["data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        std::fs::write(file, bytes).unwrap();
        self.resize(side("width"), 900);
    }

    /// Where all requests went that were sent so far.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        // Whatever was told before this answer is in.
        self.eval("0");
        let sent = self
            .events
            .iter()
            .filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// What the page complained of, in its console or by a dialog.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.eval("0");
        let is_complaint = |event: &&Value| {
            let params = &event["params"];
            match event["method"].as_str() {
                Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
                Some("Runtime.consoleAPICalled") => params["type"] == "error" || params["type"] == "warning",
                Some("Log.entryAdded") => params["entry"]["level"] == "error",
                _ => false,
            }
        };
        let complaints = self.events.iter().filter(is_complaint);
        complaints.map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
