//! The specification's vector, and everything that must not pass.

use proptest::prelude::*;

use super::*;

/// From the specification's reference libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const VECTOR_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const VECTOR_TIME: u64 = 1_614_265_330;
const VECTOR_BODY: &[u8] = br#"{"test": 2432232314}"#;
const VECTOR_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const TOLERANCE: u64 = 300;

type Headers = Vec<(String, Vec<u8>)>;

fn headers(all: &[(&str, &str)]) -> Headers {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn standard(id: &str, time: &str, signature: &str) -> Headers {
    headers(&[(ID, id), (TIMESTAMP, time), (SIGNATURE, signature)])
}

fn plain(time: &str, signature: &str) -> Headers {
    headers(&[(PLAIN_TIMESTAMP, time), (PLAIN_SIGNATURE, signature)])
}

fn secret(text: &str) -> Secret {
    Secret::parse(text).unwrap()
}

fn other_secret() -> Secret {
    secret("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
}

/// RFC 4231, test case 3, where the key is long enough to be a secret: 20 bytes of 0x0b is case 1.
fn plain_secret() -> PlainSecret {
    PlainSecret::parse(&"\u{b}".repeat(20)).unwrap()
}

fn verify(headers: &Headers, body: &[u8], now: u64) -> Result<DeliveryId, Forgery> {
    let secrets = [secret(SECRET)];
    Keyring {
        secrets: &secrets,
        plain: &[plain_secret()],
        tolerance: TOLERANCE,
    }
    .verify(headers, body, now)
}

#[test]
fn the_vector_of_the_specification_is_signed_and_verified() {
    assert_eq!(
        secret(SECRET).sign(VECTOR_ID, VECTOR_TIME, VECTOR_BODY),
        VECTOR_SIGNATURE
    );
    let time = VECTOR_TIME.to_string();
    let genuine = standard(VECTOR_ID, &time, VECTOR_SIGNATURE);
    assert!(verify(&genuine, VECTOR_BODY, VECTOR_TIME).is_ok());
    // Others stand beside it: of another secret, of another scheme, unreadable ones.
    let among = format!(
        "v1,AAAA v1a,{0} v1,{1} {VECTOR_SIGNATURE}",
        "x",
        STANDARD.encode([1; 32])
    );
    assert!(verify(&standard(VECTOR_ID, &time, &among), VECTOR_BODY, VECTOR_TIME).is_ok());
}

#[test]
fn the_vector_of_rfc_4231_is_verified_in_the_plain_form() {
    let signature = "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    let time = VECTOR_TIME.to_string();
    assert!(verify(&plain(&time, signature), b"Hi There", VECTOR_TIME).is_ok());
    assert!(
        verify(
            &plain(&time, &signature.replace("b0", "B0")),
            b"Hi There",
            VECTOR_TIME
        )
        .is_ok()
    );
    let mismatch = Err(Forgery::Mismatch(PLAIN_SIGNATURE));
    assert_eq!(
        verify(&plain(&time, signature), b"Hi there", VECTOR_TIME),
        mismatch
    );
    for malformed in [
        "",
        "sha256=",
        "sha1=b0344c61",
        &signature[7..],
        &signature[..70],
        &format!("{signature}00"),
    ] {
        assert!(
            matches!(
                verify(&plain(&time, malformed), b"Hi There", VECTOR_TIME),
                Err(Forgery::Malformed(PLAIN_SIGNATURE, _))
            ),
            "{malformed}"
        );
    }
    let later = VECTOR_TIME + TOLERANCE + 1;
    let stale = Err(Forgery::Stale(PLAIN_TIMESTAMP));
    assert_eq!(verify(&plain(&time, signature), b"Hi There", later), stale);
    let missing = headers(&[(PLAIN_SIGNATURE, signature)]);
    let answer = verify(&missing, b"Hi There", VECTOR_TIME);
    assert_eq!(answer, Err(Forgery::Header(PLAIN_TIMESTAMP)));
}

#[test]
fn the_plain_form_is_not_taken_where_it_has_no_secret() {
    let secrets = [secret(SECRET)];
    let keyring = Keyring {
        secrets: &secrets,
        plain: &[],
        tolerance: TOLERANCE,
    };
    let signature = "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
    let answer = keyring.verify(
        &plain(&VECTOR_TIME.to_string(), signature),
        b"Hi There",
        VECTOR_TIME,
    );
    assert_eq!(answer, Err(Forgery::Header(ID)));
}

#[test]
fn a_plain_signature_does_not_stand_in_for_a_standard_one() {
    let time = VECTOR_TIME.to_string();
    let mut both = standard(VECTOR_ID, &time, "v1,AAAA");
    both.extend(plain(
        &time,
        "sha256=b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ));
    assert!(verify(&both, b"Hi There", VECTOR_TIME).is_err());
}

#[test]
fn each_of_several_secrets_is_good_while_they_are_changed() {
    let time = VECTOR_TIME.to_string();
    let secrets = [other_secret(), secret(SECRET)];
    let keyring = Keyring {
        secrets: &secrets,
        plain: &[],
        tolerance: TOLERANCE,
    };
    for signer in &secrets {
        let signature = signer.sign(VECTOR_ID, VECTOR_TIME, VECTOR_BODY);
        let delivery = standard(VECTOR_ID, &time, &signature);
        assert!(keyring.verify(&delivery, VECTOR_BODY, VECTOR_TIME).is_ok());
    }
    let stranger = secret("whsec_/////////////////////////////////////w==");
    let signature = stranger.sign(VECTOR_ID, VECTOR_TIME, VECTOR_BODY);
    assert_eq!(
        keyring.verify(&standard(VECTOR_ID, &time, &signature), VECTOR_BODY, VECTOR_TIME),
        Err(Forgery::Mismatch(SIGNATURE))
    );
}

#[test]
fn without_a_secret_nothing_is_genuine() {
    let keyring = Keyring {
        secrets: &[],
        plain: &[],
        tolerance: TOLERANCE,
    };
    let genuine = standard(VECTOR_ID, &VECTOR_TIME.to_string(), VECTOR_SIGNATURE);
    let answer = keyring.verify(&genuine, VECTOR_BODY, VECTOR_TIME);
    assert_eq!(answer, Err(Forgery::Mismatch(SIGNATURE)));
}

#[test]
fn a_delivery_that_is_too_old_or_too_new_is_refused_and_the_bounds_are_not() {
    let genuine = standard(VECTOR_ID, &VECTOR_TIME.to_string(), VECTOR_SIGNATURE);
    let at = |now| verify(&genuine, VECTOR_BODY, now);
    assert!(at(VECTOR_TIME + TOLERANCE).is_ok() && at(VECTOR_TIME - TOLERANCE).is_ok());
    assert_eq!(at(VECTOR_TIME + TOLERANCE + 1), Err(Forgery::Stale(TIMESTAMP)));
    assert_eq!(at(VECTOR_TIME - TOLERANCE - 1), Err(Forgery::Future(TIMESTAMP)));
    for time in [
        "",
        "soon",
        "-1",
        "+1614265330",
        "1614265330.0",
        " 1614265330",
        "18446744073709551616",
    ] {
        let signature = secret(SECRET).sign(VECTOR_ID, VECTOR_TIME, VECTOR_BODY);
        assert!(
            matches!(
                verify(&standard(VECTOR_ID, time, &signature), VECTOR_BODY, VECTOR_TIME),
                Err(Forgery::Malformed(TIMESTAMP, _))
            ),
            "{time}"
        );
    }
    let end = u64::MAX.to_string();
    let answer = verify(&standard(VECTOR_ID, &end, "v1,AAAA"), VECTOR_BODY, VECTOR_TIME);
    assert_eq!(answer, Err(Forgery::Future(TIMESTAMP)));
}

#[test]
fn a_header_that_is_missing_twofold_or_no_text_is_refused() {
    let time = VECTOR_TIME.to_string();
    let genuine = standard(VECTOR_ID, &time, VECTOR_SIGNATURE);
    for (at, name) in [ID, TIMESTAMP, SIGNATURE].into_iter().enumerate() {
        let mut without = genuine.clone();
        let taken = without.remove(at);
        assert_eq!(
            verify(&without, VECTOR_BODY, VECTOR_TIME),
            Err(Forgery::Header(name))
        );
        let mut twice = genuine.clone();
        twice.push(taken);
        assert_eq!(
            verify(&twice, VECTOR_BODY, VECTOR_TIME),
            Err(Forgery::Header(name))
        );
        let mut no_text = genuine.clone();
        no_text[at].1.push(0xff);
        assert_eq!(
            verify(&no_text, VECTOR_BODY, VECTOR_TIME),
            Err(Forgery::Header(name))
        );
    }
    for id in ["", &"x".repeat(MAX_ID + 1)] {
        let answer = verify(&standard(id, &time, VECTOR_SIGNATURE), VECTOR_BODY, VECTOR_TIME);
        assert!(matches!(answer, Err(Forgery::Malformed(ID, _))));
    }
}

#[test]
fn a_signature_of_another_scheme_or_that_cannot_be_read_is_refused() {
    let time = VECTOR_TIME.to_string();
    let (_, encoded) = VECTOR_SIGNATURE.split_once(',').unwrap();
    for signature in [
        String::new(),
        encoded.to_owned(),
        format!("v2,{encoded}"),
        format!("v1a,{encoded}"),
        format!("V1,{encoded}"),
        "v1,".to_owned(),
        "v1,not base64".to_owned(),
        format!("v1,{}", &encoded[..20]),
        format!("{} {VECTOR_SIGNATURE}", "v1,AAAA ".repeat(MAX_SIGNATURES)),
    ] {
        assert!(
            matches!(
                verify(&standard(VECTOR_ID, &time, &signature), VECTOR_BODY, VECTOR_TIME),
                Err(Forgery::Malformed(SIGNATURE, _))
            ),
            "{signature}"
        );
    }
}

#[test]
fn a_delivery_that_comes_again_has_the_same_name_and_another_one_has_not() {
    let name = |id: &str, time: u64, body: &[u8]| {
        let signature = secret(SECRET).sign(id, time, body);
        verify(&standard(id, &time.to_string(), &signature), body, VECTOR_TIME).unwrap()
    };
    // A sender that tries again signs anew, under the same id.
    assert_eq!(name("a", VECTOR_TIME, b"x"), name("a", VECTOR_TIME + 5, b"x"));
    assert_ne!(name("a", VECTOR_TIME, b"x"), name("b", VECTOR_TIME, b"x"));
}

proptest! {
    #[test]
    fn one_changed_byte_anywhere_is_noticed(body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let signature = secret(SECRET).sign("id", VECTOR_TIME, &body);
        let genuine = standard("id", &VECTOR_TIME.to_string(), &signature);
        prop_assert!(verify(&genuine, &body, VECTOR_TIME).is_ok());
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1_u8 << bit;
        prop_assert_eq!(verify(&genuine, &changed, VECTOR_TIME), Err(Forgery::Mismatch(SIGNATURE)));
        let renamed = standard("ie", &VECTOR_TIME.to_string(), &signature);
        prop_assert_eq!(verify(&renamed, &body, VECTOR_TIME), Err(Forgery::Mismatch(SIGNATURE)));
        let later = standard("id", &(VECTOR_TIME + 1).to_string(), &signature);
        prop_assert_eq!(verify(&later, &body, VECTOR_TIME), Err(Forgery::Mismatch(SIGNATURE)));
    }

    #[test]
    fn any_headers_are_answered(names in prop::collection::vec((prop::sample::select(vec![ID, TIMESTAMP, SIGNATURE, PLAIN_SIGNATURE, PLAIN_TIMESTAMP]), prop::collection::vec(any::<u8>(), 0..80)), 0..8), body in prop::collection::vec(any::<u8>(), 0..80)) {
        let headers: Headers = names.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        prop_assert!(verify(&headers, &body, VECTOR_TIME).is_err());
    }
}
