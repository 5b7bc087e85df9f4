use super::*;

const URL: &str = r#"{"nexus_url": "https://h", "poller": {"mode": "on"}}"#;

fn open(folder: &Path, section: &str, environment: Environment) -> (Settings, Arc<Config>) {
    Settings::open(section, environment, folder).unwrap()
}

fn patch(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn put(settings: &Settings, value: Value) -> Arc<Config> {
    let proposal = settings.propose_patch(&patch(value)).unwrap();
    settings.keep(proposal).unwrap()
}

#[test]
fn what_is_set_by_request_counts_over_the_file_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = open(folder.path(), URL, Environment::default());
    let config = put(
        &settings,
        json!({"poller": {"interval_ms": 77}, "sync": {"batch_size": 9}}),
    );
    assert_eq!(config.poller.interval_ms, 77);
    assert_eq!(config.sync.batch_size, 200, "that needs a restart");
    assert_eq!(settings.restart_needed(), ["sync.batch_size"]);
    let (settings, config) = open(folder.path(), URL, Environment::default());
    assert_eq!((config.poller.interval_ms, config.sync.batch_size), (77, 9));
    assert!(settings.restart_needed().is_empty());
    let config = put(&settings, json!({"poller": {"interval_ms": null}}));
    assert_eq!(config.poller.interval_ms, 250);
}

#[test]
fn a_whole_configuration_may_come_back_with_one_value_changed() {
    let folder = tempfile::tempdir().unwrap();
    let section = r#"{"nexus_url": "https://h", "api_key": "nx_zq7"}"#;
    let (settings, _) = open(folder.path(), section, Environment::default());
    let mut whole = settings.wanted();
    whole["verify"]["sample"] = json!(0.5);
    put(&settings, whole);
    assert_eq!(
        Value::Object(settings.requested().patch),
        json!({"verify": {"sample": 0.5}})
    );
    let written = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert!(
        !written.contains("zq7") && !written.contains(REDACTED),
        "{written}"
    );
}

#[test]
fn what_is_refused_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let environment =
        Environment::read(|name| (name == "NEXUS_SYNC_BATCH_SIZE").then(|| "9".to_owned())).unwrap();
    let (settings, _) = open(folder.path(), URL, environment);
    let refused = |value: Value| settings.propose_patch(&patch(value)).unwrap_err().to_string();
    assert!(
        refused(json!({"poller": {"interval_ms": 0}, "veryfy": {}}))
            .contains("interval_ms: 0 is out of range")
    );
    assert!(refused(json!({"veryfy": {}})).contains("nexus_integration.veryfy: unknown field"));
    assert!(refused(json!({"sync": {"batch_size": 8}})).contains("NEXUS_SYNC_BATCH_SIZE"));
    assert!(refused(json!({"sync": 8})).contains("NEXUS_SYNC_BATCH_SIZE"));
    for secret in [
        json!({"api_key": "nx_zq7"}),
        json!({"webhooks": {"inbound": {"secrets": ["whsec_zq7"]}}}),
    ] {
        let told = refused(secret);
        assert!(told.contains("is a secret") && !told.contains("zq7"), "{told}");
    }
    assert_eq!(settings.requested(), Requested::default());
    assert!(!folder.path().join(FILE).exists());
}

#[test]
fn another_section_of_the_file_counts_under_what_was_set_by_request() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = open(folder.path(), URL, Environment::default());
    put(&settings, json!({"poller": {"interval_ms": 77}}));
    let other = r#"{"nexus_url": "https://other", "poller": {"mode": "off", "interval_ms": 5}}"#;
    let proposal = settings.propose_section(other).unwrap();
    let keys: Vec<_> = proposal
        .changes
        .iter()
        .map(|changed| changed.key.as_str())
        .collect();
    assert_eq!(keys, ["nexus_url", "poller.mode"]);
    let config = settings.keep(proposal).unwrap();
    assert_eq!(config.nexus_url.as_str(), "https://h/");
    assert_eq!(
        (config.poller.mode, config.poller.interval_ms),
        (crate::config::PollerMode::Off, 77)
    );
    assert!(settings.propose_section("{}").is_err());
    assert_eq!(settings.restart_needed(), ["nexus_url"]);
}

#[test]
fn nothing_starts_with_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), "{").unwrap();
    let error = Settings::open(URL, Environment::default(), folder.path()).unwrap_err();
    assert!(matches!(error, SettingsError::Unusable { .. }), "{error}");
}
