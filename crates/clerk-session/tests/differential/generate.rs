//! Tokens by the hundred thousand: good ones, and every way to be not quite good, alone and
//! together.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use serde_json::{Map, Value, json};

use crate::support::*;

pub struct Generated {
    pub token: String,
    pub now_ms: i64,
    pub policy: usize,
    /// What was done to it.
    pub mutations: Vec<&'static str>,
    /// The policies under which that may be refused although the SDK accepts.
    pub licensed: Vec<&'static str>,
}

/// xorshift64*: the same seed gives the same mutations on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % end
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

/// A token in the making.
struct Draft {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    header_bytes: Option<Vec<u8>>,
    payload_bytes: Option<Vec<u8>>,
    signer: SignedBy,
    now_ms: i64,
    mutations: Vec<&'static str>,
    licensed: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum SignedBy {
    Ours,
    Foreign,
    Sha384,
    Sha512,
    Pss,
    Hmac,
    Nobody,
}

pub struct Generator {
    random: Random,
    policies: usize,
}

impl Generator {
    pub fn new(seed: u64, policies: usize) -> Self {
        Self { random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), policies }
    }

    pub fn take(&mut self, count: usize) -> Vec<Generated> {
        (0..count).map(|_| self.one()).collect()
    }

    fn one(&mut self) -> Generated {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let mut draft = Draft {
            header: object(header()),
            payload: object(payload()),
            header_bytes: None,
            payload_bytes: None,
            signer: SignedBy::Ours,
            now_ms: NOW + i64::try_from(self.random.below(1000)).unwrap(),
            mutations: Vec::new(),
            licensed: Vec::new(),
        };
        let policy = self.random.below(self.policies);
        if policy == 3 && self.random.below(4) != 0 {
            draft.payload.insert("aud".to_owned(), "api".into());
        }
        // The SDK takes a token without `aud` where one is asked for.
        draft.licensed.push("audience-must-be-there");
        for _ in 0..self.random.pick(&[0, 1, 1, 1, 1, 1, 2, 2, 3]) {
            match self.random.below(11) {
                10 => self.add_organization(&mut draft),
                0..=2 => self.change_header(&mut draft),
                3..=6 => self.change_payload(&mut draft),
                7 => self.change_times(&mut draft),
                8 => self.change_text(&mut draft),
                _ => self.change_signer(&mut draft),
            }
        }
        let token = draft.sign();
        let mut made = Generated {
            token,
            now_ms: draft.now_ms,
            policy,
            mutations: draft.mutations,
            licensed: draft.licensed,
        };
        if self.random.below(5) == 0 {
            self.change_token(&mut made);
        }
        made
    }

    fn odd_value(&mut self) -> Value {
        let long = "x".repeat(self.random.below(200));
        self.random.pick(&[
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(1.5),
            json!(1e300),
            json!(""),
            json!(" "),
            json!([]),
            json!({}),
            json!([1]),
            json!(["a"]),
            json!({"a": 1}),
            json!("JWT"),
            json!("RS256"),
            json!(KID),
            json!(APP),
            json!(ISSUER),
            json!("user_1"),
            json!("ä\u{202e}\u{0}"),
            json!(long),
        ])
    }

    fn change_header(&mut self, draft: &mut Draft) {
        let (name, values): (&str, Vec<Value>) = match self.random.below(10) {
            0 | 1 => (
                "alg",
                [
                    "none", "None", "NONE", "rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256",
                    "RS256 ", "RS1", "RS256",
                ]
                .map(Value::from)
                .into(),
            ),
            2 => (
                "typ",
                ["JWT", "jwt", "JOSE", "", "at+jwt", "application/at+jwt", "AT+JWT", "JWT "]
                    .map(Value::from)
                    .into(),
            ),
            3 => (
                "kid",
                [
                    KID,
                    "",
                    "ins_other",
                    "constructor",
                    "__proto__",
                    "toString",
                    "hasOwnProperty",
                    "../../etc/passwd",
                ]
                .map(Value::from)
                .into(),
            ),
            4 | 5 => (
                "cat",
                ["cl_B7d4PD111AAA", "cl_B7d4PD222AAA", "cl_B7d4PD333AAA", "cl_I7d4PD111III", "cl_x", ""]
                    .map(Value::from)
                    .into(),
            ),
            6 if self.random.below(2) == 0 => ("enc", vec![json!("A128GCM"), json!(null)]),
            6 => ("crit", vec![json!(["exp"]), json!([]), json!(["b64"]), json!("exp"), json!(null)]),
            7 => ("b64", vec![json!(false), json!(true)]),
            8 => ("zip", vec![json!("DEF")]),
            _ => (
                self.random.pick(&["jku", "x5u", "jwk", "x5c", "oiat", "epk", "cty"]),
                vec![json!("https://evil.example.com/jwks"), FOREIGN.jwk(KID), json!(1)],
            ),
        };
        draft.mutations.push(match name {
            "alg" => "alg",
            "typ" => "typ",
            "kid" => "kid",
            "cat" => "cat",
            "crit" => "crit",
            "b64" => "b64",
            "zip" => "zip",
            "enc" => "enc",
            _ => "header parameter",
        });
        match name {
            "alg" => draft.licensed.push("rs256-only"),
            "kid" => draft.licensed.push("kid-is-text"),
            "cat" | "typ" => draft.licensed.push("session-tokens-only"),
            "crit" | "b64" | "zip" | "enc" => draft.licensed.push("no-extensions"),
            _ => {}
        }
        match self.random.below(8) {
            0 => drop(draft.header.remove(name)),
            1 => drop(draft.header.insert(name.to_owned(), self.odd_value())),
            _ => drop(draft.header.insert(name.to_owned(), self.random.pick(&values))),
        }
    }

    fn change_payload(&mut self, draft: &mut Draft) {
        let name = self.random.pick(&[
            "sub",
            "sid",
            "azp",
            "iss",
            "aud",
            "sts",
            "act",
            "v",
            "o",
            "custom",
            "azp",
            "sub",
            "__proto__",
            "email",
        ]);
        draft.mutations.push(name);
        let values: Vec<Value> = match name {
            "sub" => ["user_2abc", "", "user_", "User_1", "org_1", "mch_1", "m2m_1", "user_ä"]
                .map(Value::from)
                .into(),
            "sid" => ["sess_1", "", "x"].map(Value::from).into(),
            "azp" => [
                "https://app.example.com/",
                "https://app.example.com:443",
                "https://APP.example.com",
                "http://app.example.com",
                "https://evil.example.com",
                "null",
                "",
                "https://app.example.com.evil.com",
                "*",
                APP,
            ]
            .map(Value::from)
            .into(),
            "iss" => [
                "https://clerk.example.com/",
                "https://clerk.other.com",
                "http://clerk.example.com",
                "",
                ISSUER,
            ]
            .map(Value::from)
            .into(),
            "aud" => vec![
                json!("api"),
                json!("other"),
                json!(""),
                json!(["api"]),
                json!(["x", "api"]),
                json!(["x"]),
                json!(["api", 1]),
                json!([]),
            ],
            "sts" => vec![json!("active"), json!("pending"), json!("x")],
            "act" => vec![json!({"sub": "user_9"}), json!("x"), json!(null)],
            _ => vec![json!("x")],
        };
        match name {
            "sub" => draft.licensed.extend(["sub-is-a-user", "session-tokens-only"]),
            "sid" => draft.licensed.push("bound-to-a-session"),
            _ => {}
        }
        match self.random.below(7) {
            0 => drop(draft.payload.remove(name)),
            1 => drop(draft.payload.insert(name.to_owned(), self.odd_value())),
            _ => drop(draft.payload.insert(name.to_owned(), self.random.pick(&values))),
        }
    }

    /// An active organization, in either version of the claims.
    fn add_organization(&mut self, draft: &mut Draft) {
        draft.mutations.push("organization");
        let role = self.random.pick(&["admin", "member", "billing_manager"]);
        if self.random.below(2) == 0 {
            for name in ["v", "jti", "fva", "sts"] {
                draft.payload.remove(name);
            }
            draft.payload.insert("org_id".to_owned(), "org_1".into());
            draft.payload.insert("org_slug".to_owned(), "acme".into());
            draft.payload.insert("org_role".to_owned(), format!("org:{role}").into());
            let permissions = self.random.pick(&[json!([]), json!(["org:a:read", "org:b:manage"])]);
            draft.payload.insert("org_permissions".to_owned(), permissions);
            return;
        }
        let features = self.random.pick(&["o:a", "o:a,o:b", "u:x,o:a", "u:x", "uo:a,o:b", "o:a,u:x,o:b", ""]);
        let permissions = self.random.pick(&["read", "manage,read", "a,b,c,d,e"]);
        let map = self.random.pick(&["1", "3,2", "0,1", "31,0", "2", ""]);
        let mut organization = json!({"id": "org_1", "slg": "acme", "rol": role});
        if !map.is_empty() {
            organization["per"] = permissions.into();
            organization["fpm"] = map.into();
        }
        draft.payload.insert("fea".to_owned(), features.into());
        draft.payload.insert("o".to_owned(), organization);
    }

    fn change_times(&mut self, draft: &mut Draft) {
        let name = self.random.pick(&["exp", "nbf", "iat"]);
        draft.mutations.push(name);
        draft.licensed.extend(["calendar-times", "fractions-count"]);
        if self.random.below(2) == 0 {
            // At the very boundary, a millisecond to either side.
            draft.now_ms =
                NOW + self.random.pick(&[-5001, -5000, -4999, -1, 0, 1, 999, 1000, 4999, 5000, 5001]);
        }
        let near = i64::try_from(self.random.below(14)).unwrap() - 7;
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
        let fraction = (NOW_S + near) as f64 + self.random.pick(&[0.001, 0.5, 0.999]);
        let value = self.random.pick(&[
            json!(NOW_S + near),
            json!(NOW_S + near),
            json!(NOW_S + near),
            json!(fraction),
            json!(0),
            json!(-1),
            json!(1e300),
            json!(-1e300),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(8_640_000_000_000_i64),
            json!(8_640_000_000_001_i64),
            json!(253_402_300_799_i64),
            json!(253_402_300_800_i64),
            json!((NOW_S + near).to_string()),
            json!(NOW_S * 1000),
            json!(-0.0),
            json!(1e-7),
        ]);
        match self.random.below(10) {
            0 => drop(draft.payload.remove(name)),
            1 => drop(draft.payload.insert(name.to_owned(), self.odd_value())),
            _ => drop(draft.payload.insert(name.to_owned(), value)),
        }
    }

    /// What only the bytes show.
    fn change_text(&mut self, draft: &mut Draft) {
        let in_header = self.random.below(3) == 0;
        let text =
            Value::Object(if in_header { draft.header.clone() } else { draft.payload.clone() }).to_string();
        let inner = &text[1..];
        let (name, license, bytes): (&'static str, &'static str, Vec<u8>) = match self.random.below(16) {
            0 => ("byte order mark", "utf-8", format!("\u{feff}{text}").into()),
            1 => ("not UTF-8", "utf-8", [b"{\"x\":\"\xff\",", inner.as_bytes()].concat()),
            2 => ("overlong UTF-8", "utf-8", [b"{\"x\":\"\xc0\x80\",", inner.as_bytes()].concat()),
            3 => ("lone surrogate", "strict-json", format!("{{\"x\":\"\\ud800\",{inner}").into()),
            4 => ("number beyond a double", "strict-json", format!("{{\"x\":1e999,{inner}").into()),
            5 => (
                "deep",
                "strict-json",
                format!("{{\"x\":{}{},{inner}", "[".repeat(300), "]".repeat(300)).into(),
            ),
            6 => (
                "nested, not too deep",
                "",
                format!("{{\"x\":{}{},{inner}", "[".repeat(100), "]".repeat(100)).into(),
            ),
            7 => ("member twice", "unique-members", {
                let member = self.random.pick(&["sub", "alg", "exp", "iss", "x", "kid", "azp"]);
                format!("{{\"{member}\":\"first\",\"{member}\":\"second\",{inner}").into()
            }),
            8 => (
                "member twice, escaped",
                "unique-members",
                format!("{{\"s\\u0075b\":\"user_evil\",\"\\u0061lg\":\"none\",{inner}").into(),
            ),
            9 => ("space around", "", format!(" \t\r\n{text}\n ").into()),
            10 => ("garbage behind", "", format!("{text}x").into()),
            11 => ("other JSON", "", self.random.pick(&["null", "[]", "1", "\"x\"", "true", ""]).into()),
            12 => ("comment", "", format!("{{/**/{inner}").into()),
            13 => (
                "large",
                "size",
                format!("{{\"x\":\"{}\",{inner}", "x".repeat(self.random.pick(&[3000, 5000, 7000]))).into(),
            ),
            14 => ("control character", "", format!("{{\"x\":\"\u{1}\",{inner}").into()),
            _ => ("big number", "", format!("{{\"x\":123456789012345678901234567890,{inner}").into()),
        };
        draft.mutations.push(name);
        draft.licensed.push(license);
        if name == "large" {
            draft.licensed.push("size");
        }
        if name.starts_with("member twice") {
            // The SDK reads the last one, and may accept; any other fault that we report then comes
            // from another reading.
            draft.licensed.extend(["sub-is-a-user", "session-tokens-only"]);
        }
        *(if in_header { &mut draft.header_bytes } else { &mut draft.payload_bytes }) = Some(bytes);
    }

    fn change_signer(&mut self, draft: &mut Draft) {
        let (name, signer, alg) = self.random.pick(&[
            ("foreign key", SignedBy::Foreign, None),
            ("SHA-384", SignedBy::Sha384, Some("RS384")),
            ("SHA-512", SignedBy::Sha512, Some("RS512")),
            ("SHA-512 as RS256", SignedBy::Sha512, None),
            ("PSS", SignedBy::Pss, Some("PS256")),
            ("PSS as RS256", SignedBy::Pss, None),
            ("HMAC", SignedBy::Hmac, Some("HS256")),
            ("HMAC as RS256", SignedBy::Hmac, None),
            ("unsigned", SignedBy::Nobody, Some("none")),
            ("unsigned as RS256", SignedBy::Nobody, None),
        ]);
        draft.mutations.push(name);
        draft.licensed.push("rs256-only");
        draft.signer = signer;
        if let Some(alg) = alg {
            draft.header.insert("alg".to_owned(), alg.into());
        }
    }

    /// What happens to a token on its way.
    fn change_token(&mut self, made: &mut Generated) {
        let token = made.token.clone();
        let at = self.random.below(token.len().max(1));
        let ascii = token.is_ascii() && !token.is_empty();
        let parts: Vec<&str> = token.split('.').collect();
        let which = self.random.below(parts.len());
        let with_part = |changed: String| {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[which] = changed;
            parts.join(".")
        };
        let (name, changed) = match self.random.below(14) {
            0 | 1 if ascii => ("flip", {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << self.random.below(7);
                String::from_utf8(bytes).unwrap()
            }),
            2 if ascii => ("cut", token[..at].to_owned()),
            3 if ascii => (
                "insert",
                format!(
                    "{}{}{}",
                    &token[..at],
                    self.random.pick(&["A", ".", "=", " ", "\n", "ä", "+", "/", "%2E"]),
                    &token[at..]
                ),
            ),
            4 if ascii => ("delete", format!("{}{}", &token[..at], &token[at + 1..])),
            5 => ("padding", with_part(format!("{}{}", parts[which], self.random.pick(&["=", "==", "==="])))),
            6 => (
                "all padded",
                parts
                    .iter()
                    .map(|part| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4)))
                    .collect::<Vec<_>>()
                    .join("."),
            ),
            7 => ("standard base64", token.replace('-', "+").replace('_', "/")),
            8 => ("segment more", format!("{token}.{}", self.random.pick(&["", "AA", "e30"]))),
            9 => ("segment less", parts[..parts.len() - 1].join(".")),
            10 => (
                "space",
                self.random.pick(&[
                    format!(" {token}"),
                    format!("{token} "),
                    format!("{token}\n"),
                    format!("\t{token}"),
                ]),
            ),
            11 => (
                "other text",
                self.random
                    .pick(&[
                        "",
                        "null",
                        "undefined",
                        "[object Promise]",
                        ".",
                        "..",
                        "...",
                        "a.b.c",
                        "bnVsbA.e30.AA",
                        "e30.bnVsbA.AA",
                        "e30.e30.",
                        "pk_test_x",
                        "Bearer x",
                    ])
                    .to_owned(),
            ),
            12 => (
                "other last bits",
                with_part({
                    let mut part = parts[which].to_owned();
                    if let Some(last) = part.pop().filter(char::is_ascii_alphanumeric) {
                        part.push(char::from(last as u8 + 1));
                    }
                    part
                }),
            ),
            _ => (
                "swapped",
                [parts.get(1), parts.first(), parts.get(2)]
                    .into_iter()
                    .flatten()
                    .copied()
                    .collect::<Vec<_>>()
                    .join("."),
            ),
        };
        made.mutations.push(name);
        made.licensed.push("canonical-base64url");
        made.token = changed;
    }
}

impl Draft {
    fn sign(&self) -> String {
        let text = |map: &Map<String, Value>| Value::Object(map.clone()).to_string().into_bytes();
        let header = self.header_bytes.clone().unwrap_or_else(|| text(&self.header));
        let payload = self.payload_bytes.clone().unwrap_or_else(|| text(&self.payload));
        let message = format!("{}.{}", encode(&header), encode(&payload));
        let bytes = message.as_bytes();
        let signature = match self.signer {
            SignedBy::Ours => OURS.sign_with(&RSA_PKCS1_SHA256, bytes),
            SignedBy::Foreign => FOREIGN.sign_with(&RSA_PKCS1_SHA256, bytes),
            SignedBy::Sha384 => OURS.sign_with(&RSA_PKCS1_SHA384, bytes),
            SignedBy::Sha512 => OURS.sign_with(&RSA_PKCS1_SHA512, bytes),
            SignedBy::Pss => OURS.sign_with(&RSA_PSS_SHA256, bytes),
            SignedBy::Hmac => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, OURS.spki_pem().as_bytes()), bytes)
                    .as_ref()
                    .to_vec()
            }
            SignedBy::Nobody => Vec::new(),
        };
        format!("{message}.{}", encode(&signature))
    }
}
