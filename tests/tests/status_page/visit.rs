//! What a visitor sees and does.

use std::path::PathBuf;

use serde_json::{Value, json};
use vectorizer_tests::build::target;
use vectorizer_tests::process::wait_until;
use vectorizer_tests::vectorizer::Vectorizer;

use crate::PAGE;
use crate::browser::{self, Browser};
use crate::content::{DEAD, EVIL, fill, insert, plugin};
use crate::setup::{PATIENCE, Setup, change_config, set_faults};

/// A browser, or a notice that there is none.
fn browser(setup: &Setup) -> Option<Browser> {
    let Some(program) = browser::program() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "there is no Chromium: install it, or name it in CHROMIUM"
        );
        eprintln!("notice: not run: there is no Chromium; name it in CHROMIUM");
        return None;
    };
    Some(Browser::start(&program, setup.folder.path()))
}

fn pictures() -> PathBuf {
    let folder = target().join("status-page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The text of a collection's cell by its column.
fn cell(browser: &mut Browser, collection: &str, column: &str) -> String {
    browser.text(&format!(
        "[data-collection='{collection}'] [data-label='{column}']"
    ))
}

/// Clicks on what asks first, and says yes.
fn confirm(browser: &mut Browser, selector: &str) {
    browser.click(selector);
    browser.wait_for("document.querySelector('dialog').open");
    browser.click("#dialog-go");
    browser.wait_for("!document.querySelector('dialog').open");
}

/// Texts whose contrast to their ground is below 4.5, buttons that cannot be used aside.
const PALE: &str = r#"(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [r, g, b], a: a / 255 };
  };
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const { rgb, a } = parts(getComputedStyle(node).backgroundColor);
      if (a > 0.99) return rgb;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== '');
    if (!own || node.disabled || !node.checkVisibility() || node.closest('svg g.middle, svg .number')) continue;
    const style = getComputedStyle(node);
    const [text, behind] = [parts(node.ownerSVGElement ? style.fill : style.color).rgb, ground(node)].map(light);
    const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    if (contrast < 4.5) pale.push(`${node.tagName}.${node.className.baseVal ?? node.className} ${contrast.toFixed(2)}: ${node.textContent.slice(0, 40)}`);
  }
  return pale;
})()"#;

/// What can be used and has no name for those who do not see it.
const NAMELESS: &str = r#"[...document.querySelectorAll('button, input, select, [role=button], a')]
  .filter((node) => node.checkVisibility() && !(node.textContent.trim() || node.getAttribute('aria-label') || node.labels?.length))
  .map((node) => node.outerHTML)"#;

/// What is wider than the page.
const WIDE: &str = r#"[...document.querySelectorAll('body *')]
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 1 && !node.closest('nav, .skip, .unseen'))
  .map((node) => `${node.tagName}#${node.id}.${node.className}`)"#;

#[test]
fn a_visitor_sees_how_the_sync_does_and_steers_it() {
    let setup = plugin(&json!({}));
    let Some(mut browser) = browser(&setup) else {
        return;
    };
    let browser = &mut browser;
    let _nexus = setup.nexus();
    let (server, client) = setup.host();
    fill(&client);
    client.settle(PATIENCE).unwrap();
    client.settle_texts(PATIENCE).unwrap();
    let refusal = json!({"kind": "error", "text": "Type mismatch: expected number, got string"});
    set_faults(
        &setup.nexus_url,
        &json!([{"matching_row": "poison", "effect": refusal}]),
    );
    let ids: Vec<String> = (0..DEAD).map(|n| format!("report-{n:02}")).collect();
    let reports: Vec<(&str, &str, &str)> = ids
        .iter()
        .map(|id| (id.as_str(), "poison", "A report that Nexus refuses."))
        .collect();
    insert(&client, "reports", &reports);
    wait_until("the reports are dead letters", PATIENCE, || {
        let status = client.status()?;
        Ok(status["dead_letters"] == DEAD && status["queue_depth"] == 0)
    })
    .unwrap();

    // What there is.
    browser.look(1280, false);
    browser.open(&format!("{}/admin/nexus", server.url));
    assert_eq!(browser.eval("location.pathname"), PAGE);
    browser.wait_for("document.querySelector('[data-collection=contracts]')");
    assert_eq!(cell(browser, "contracts", "Written"), "8");
    assert_eq!(cell(browser, "contracts", "Domain"), "legal");
    assert_eq!(cell(browser, "handbook", "Written"), "5");
    assert_eq!(cell(browser, "reports", "Dead letters"), DEAD.to_string());
    assert_eq!(cell(browser, "reports", "Errors"), (2 * DEAD).to_string());
    assert_eq!(cell(browser, "drafts", "Sync"), "on");
    browser.wait_for("document.querySelectorAll('#checks li').length === 8");
    assert!(browser.text("#state").contains("healthy"));
    assert!(browser.text("#facts").contains("ready"));
    browser.wait_for("document.querySelectorAll('#capabilities tr').length > 10");
    browser.wait_for("document.querySelector('#jobs [data-job] progress')?.value === 1");
    assert!(
        browser
            .text("#restart-none")
            .contains("all settings are in force")
    );
    // The series grow, round by round.
    browser
        .wait_for("[...document.querySelectorAll('svg.line')].every((chart) => chart.dataset.points >= 2)");
    assert_eq!(
        browser.eval("document.querySelectorAll('svg.line path.stroke').length"),
        3
    );
    assert_eq!(browser.eval(NAMELESS), json!([]));

    // Dead letters: page by page, one forgotten, all tried again when the fault is mended.
    browser.wait_for("document.querySelectorAll('[data-dead]').length === 10");
    assert!(
        browser
            .text("[data-dead='report-00'] .cause")
            .contains("Type mismatch")
    );
    assert_eq!(browser.text("#dead-range"), "1 to 10 of 12");
    browser.click("#dead-next");
    browser.wait_for("document.querySelectorAll('[data-dead]').length === 2");
    confirm(browser, "[data-dead='report-11'] button.danger");
    browser.wait_for("document.querySelector('#dead-range').textContent === '11 to 11 of 11'");
    browser.click("#dead-before");
    browser.wait_for("document.querySelector('#dead-range').textContent === '1 to 10 of 11'");
    set_faults(&setup.nexus_url, &json!([]));
    browser.click("[data-dead='report-00'] button");
    browser.wait_for("!document.querySelector('[data-dead=report-00]')");
    wait_until("the document is in the graph", PATIENCE, || {
        Ok(setup
            .graph()
            .documents()?
            .iter()
            .any(|node| node.properties["vector_id"] == "report-00"))
    })
    .unwrap();
    browser.wait_for(
        "document.querySelector('[data-collection=reports] [data-label=Written]').textContent === '1'",
    );

    // The graph around a document: by its id, by a node, back, and by a text.
    browser.fill("#open-collection", "contracts");
    browser.fill("#open-id", "lease-2021");
    browser.enter();
    browser.wait_for("document.querySelector('#middle-title').textContent.startsWith('Lease of')");
    let related = "document.querySelectorAll('#related > li').length";
    assert!(browser.eval(related).as_u64().unwrap() >= 3);
    assert_eq!(
        browser.eval("document.querySelectorAll('#drawing .node').length"),
        browser.eval(related)
    );
    assert!(browser.text("#drawing").contains("SIMILAR_TO"));
    assert!(
        browser
            .text("[data-related='lease-2021/a1'] .ways")
            .contains("MENTIONS via email/anna@acme.example")
    );
    // A text is a text, whatever is in it.
    assert_eq!(browser.text("[data-related=odd] button"), EVIL);
    assert!(browser.text("#drawing").contains("<img src=x"));
    browser.click("[data-related=odd] button");
    browser.wait_for(&format!(
        "document.querySelector('#middle-title').textContent === {}",
        json!(EVIL)
    ));
    assert_eq!(
        browser.eval("document.querySelectorAll('img, iframe, object').length"),
        0
    );
    browser.click("#back");
    browser.wait_for("document.querySelector('#middle-name').textContent === 'contracts / lease-2021'");
    browser.eval("document.querySelector('#drawing .node').focus()");
    browser.enter();
    browser.wait_for("document.querySelector('#middle-name').textContent !== 'contracts / lease-2021'");
    browser.fill("#search-text", "onboarding of engineers");
    browser.enter();
    browser.wait_for("document.querySelector('[data-found=onboarding]')");
    browser.click("[data-found=onboarding] button");
    browser.wait_for("document.querySelector('#middle-name').textContent === 'handbook / onboarding'");
    browser.fill("#open-id", "nothing of the kind");
    browser.enter();
    browser.wait_for(
        "document.querySelector('#explorer-error').textContent.includes('there is no such document')",
    );
    browser.fill("#open-collection", "contracts");
    browser.fill("#open-id", "lease-2021");
    browser.enter();
    browser.wait_for("document.querySelector('#middle-name').textContent === 'contracts / lease-2021'");

    // Jobs, collections and the queue.
    browser.click("#reconcile");
    browser.wait_for("document.querySelector('dialog').open");
    browser.click("#dialog-dry");
    browser.click("#dialog-go");
    browser.wait_for("document.querySelector('#jobs tr').textContent.includes('Comparison, dry run')");
    confirm(browser, "[data-collection=handbook] button");
    browser.wait_for("document.querySelector('[data-collection=handbook] .pill').textContent === 'off'");
    confirm(browser, "[data-collection=handbook] button");
    browser.wait_for("document.querySelector('[data-collection=handbook] .pill').textContent === 'on'");
    browser.click("#pause");
    browser.wait_for("document.querySelector('dialog').open");
    browser.fill("#dialog-reason", "Nexus is upgraded");
    browser.enter();
    browser.wait_for("!document.querySelector('#paused').hidden");
    assert!(browser.text("#paused").contains("Nexus is upgraded"));
    assert_eq!(client.status().unwrap()["paused"]["reason"], "Nexus is upgraded");
    browser.wait_for("document.querySelector('#state').textContent.includes('degraded')");
    browser.click("#trigger");
    browser.wait_for("document.querySelector('dialog').open");
    browser.eval("document.querySelector('#dialog-collection').value = 'contracts'");
    browser.click("#dialog-force");
    browser.click("#dialog-go");
    browser.wait_for("document.querySelector('#jobs tr .pill.running')");
    browser.look(1280, false);
    browser.picture(&pictures().join("paused.png"));
    browser.click("#pause");
    browser.wait_for("document.querySelector('#paused').hidden");
    client.settle(PATIENCE).unwrap();

    // Nothing was complained of but the document that is not there, and nobody else was asked.
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|complaint| complaint.contains("404")),
        "{complaints:#?}"
    );
    assert_eq!(complaints.len(), 2, "{complaints:#?}");
    for address in browser.requests() {
        assert!(address.starts_with(&server.url), "{address}");
    }

    looks(browser, &server.url, &client);

    // While it is hidden, nothing is asked.
    browser.eval("Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let before = browser.requests().len();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!(browser.requests().len(), before);
    browser.eval("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))");
    wait_until("the page asks again", PATIENCE, || {
        Ok(browser.requests().len() > before)
    })
    .unwrap();

    // A server that goes away is told of, and what was seen stays.
    assert!(server.stop().unwrap().success());
    browser.wait_for("document.querySelector('#trouble').textContent.includes('cannot be reached')");
    assert_eq!(cell(browser, "contracts", "Sync"), "on");
}

/// Takes pictures with a history behind them: wide and narrow, light and dark, and each of them legible.
fn looks(browser: &mut Browser, url: &str, client: &Vectorizer) {
    let synced = client.status().unwrap()["total_synced"].as_u64().unwrap();
    let history = r#"
      const at = Date.now();
      const samples = [];
      let synced = SYNCED;
      for (let ago = 4; ago < 870; ago += 2) {
        if (ago > 500 && ago < 560) continue;
        const wave = Math.max(0, Math.sin(ago / 40) + Math.sin(ago / 17) / 2);
        const rush = ago > 180 && ago < 330 ? Math.sin(((ago - 180) / 150) * Math.PI) : 0;
        const depth = Math.round(wave * 14 + rush * 260);
        samples.unshift([at - ago * 1000, depth, depth === 0 ? 0 : 0.3 + wave * 0.8 + rush * 9, synced]);
        synced -= Math.round(wave * 9 + rush * 60 + (ago % 3));
      }
      sessionStorage.setItem('nexus.samples', JSON.stringify(samples));
    "#;
    let history = history.replace("SYNCED", &synced.to_string());
    browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({"source": history}),
    );
    browser.open(&format!("{url}{PAGE}"));
    browser.wait_for("document.querySelector('[data-collection=contracts]')");
    // A gap in what was seen is a gap in the line.
    assert!(
        browser
            .eval("document.querySelectorAll('#chart-depth path.stroke').length")
            .as_u64()
            .unwrap()
            >= 2
    );
    browser.fill("#open-collection", "contracts");
    browser.fill("#open-id", "lease-2021");
    browser.enter();
    browser.wait_for("document.querySelectorAll('#related > li').length > 3");
    browser.fill("#search-text", "rent of the offices");
    browser.enter();
    browser.wait_for("document.querySelectorAll('#found > li').length > 3");
    for (name, width, is_dark) in [
        ("light", 1280, false),
        ("dark", 1280, true),
        ("narrow", 360, false),
        ("narrow-dark", 360, true),
    ] {
        browser.look(width, is_dark);
        browser.picture(&pictures().join(format!("{name}.png")));
        assert_eq!(browser.eval(PALE), json!([]), "{name}");
        assert_eq!(browser.eval(WIDE), json!([]), "{name}");
        assert_eq!(
            browser.eval("document.documentElement.scrollWidth"),
            width,
            "{name}"
        );
    }
    browser.look(1280, false);
}

#[test]
fn a_visitor_gives_a_key_and_a_users_key_changes_nothing() {
    let setup = plugin(&json!({}));
    let Some(mut browser) = browser(&setup) else {
        return;
    };
    let browser = &mut browser;
    change_config(&setup, |config| {
        config["server"]["api_key"] = json!("the-admin-key");
        config["server"]["user_api_keys"] = json!(["the-user-key"]);
    });
    let _nexus = setup.nexus();
    let server = setup.host.start().unwrap();
    let client = Vectorizer::with_key(&server.url, "the-admin-key");
    fill(&client);
    client.settle(PATIENCE).unwrap();
    browser.look(1280, false);
    browser.open(&format!("{}{PAGE}", server.url));
    browser.wait_for("!document.querySelector('#entry').hidden");
    assert_eq!(browser.eval("document.querySelector('#main').hidden"), true);
    assert_eq!(browser.eval("document.activeElement.id"), "key");
    browser.picture(&pictures().join("key.png"));
    let give = |browser: &mut Browser, key: &str| {
        browser.fill("#key", key);
        browser.enter();
    };
    give(browser, "a-wrong-key");
    browser.wait_for("document.querySelector('#entry-reason').textContent.includes('does not take')");
    assert_eq!(browser.eval("document.querySelector('#main').hidden"), true);

    give(browser, "the-user-key");
    browser.wait_for("document.querySelector('[data-collection=contracts]')");
    browser.wait_for("!document.querySelector('#reader').hidden");
    let usable =
        "[...document.querySelectorAll('[data-change]')].filter((button) => !button.disabled).length";
    assert_eq!(browser.eval(usable), 0);
    assert_eq!(
        browser.eval(
            "document.querySelector('[data-collection=contracts] button').getAttribute('aria-describedby')"
        ),
        "reader"
    );
    assert!(
        browser
            .eval("document.querySelectorAll('[data-change]').length")
            .as_u64()
            .unwrap()
            > 4
    );
    browser.picture(&pictures().join("user.png"));

    browser.click("#change-key");
    give(browser, "the-admin-key");
    browser.wait_for("document.querySelector('#reader').hidden && !document.querySelector('[data-collection=contracts] button')?.disabled");
    // The key is nowhere but in this tab, and no longer than wanted.
    assert_eq!(
        browser.eval("sessionStorage.getItem('nexus.key')"),
        "the-admin-key"
    );
    assert_eq!(browser.eval("localStorage.length + document.cookie.length"), 0);
    assert_eq!(
        browser.eval("document.documentElement.outerHTML.includes('the-admin-key')"),
        false
    );
    assert!(
        browser
            .requests()
            .iter()
            .all(|address| address.starts_with(&server.url) && !address.contains("-key"))
    );
    browser.click("#change-key");
    browser.click("#forget");
    browser.wait_for("!document.querySelector('#entry').hidden && document.querySelector('#main').hidden");
    assert_eq!(browser.eval("sessionStorage.getItem('nexus.key')"), Value::Null);
    assert!(server.stop().unwrap().success());
}
